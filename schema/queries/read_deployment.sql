-- One version, with its releases and what keeps its image. No row when there is no such function or version.
WITH f AS (
	SELECT id FROM functions WHERE project = $1 AND (name = $2 OR id = as_uuid($2)) AND deleted_at IS NULL
	ORDER BY name = $2 DESC LIMIT 1
)
SELECT row_to_json(x) FROM (
	SELECT v.*, d.layer_digest AS layer, d.layer_diff_id AS "layerDiffId", d.spec, rfc3339(d.image_deleted_at) AS "imageDeletedAt",
		(SELECT coalesce(json_agg(DISTINCT k.why), '[]') FROM keepers_of(d.function_id) AS k WHERE k.deployment_id = d.id) AS "keptBy", (
			SELECT coalesce(json_agg(json_build_object('id', r.id, 'release', r.n, 'environment', r.environment, 'createdAt', rfc3339(r.created_at),
				'servedAt', rfc3339(r.served_at), 'routedAt', rfc3339(r.routed_at), 'unroutedAt', rfc3339(r.unrouted_at),
				'rejectedAt', rfc3339(r.rejected_at),
				'instances', (SELECT count(*) FROM instances i WHERE i.release_id = r.id)) ORDER BY r.environment, r.n), '[]')
			FROM releases r WHERE r.deployment_id = d.id) AS releases
	FROM function_deployments d JOIN deployment_documents v ON v.id = d.id
	WHERE d.function_id = (SELECT id FROM f) AND d.version = $3::integer) AS x
