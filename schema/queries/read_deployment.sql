-- One version, with its releases and what keeps its image. No row when there is no such function or version.
WITH f AS (
	SELECT id, project, name FROM functions WHERE project = $1 AND (name = $2 OR id = as_uuid($2)) AND deleted_at IS NULL
	ORDER BY name = $2 DESC LIMIT 1
), page AS (
	SELECT * FROM function_deployments WHERE function_id = (SELECT id FROM f) AND version = $3::integer
)
SELECT json_build_object(
		'function', (SELECT name FROM f), 'project', (SELECT project FROM f), 'id', id, 'version', version, 'status', status, 'reason', reason, 'message', message, 'active', is_active,
		'digest', image_digest, 'image', image_tag, 'size', layer_size, 'sourceDigest', source_digest, 'sourceSize', source_size,
		'runtime', runtime, 'base', base, 'archive', s3_key, 'source', source_kind, 'note', note, 'createdBy', created_by,
		'createdAt', rfc3339(created_at), 'builtAt', rfc3339(built_at), 'deployedAt', rfc3339(deployed_at), 'archivedAt', rfc3339(archived_at),
		'activeIn', (
			SELECT coalesce(json_agg(t.environment ORDER BY t.environment), '[]') FROM targets t
			JOIN releases r ON r.id = t.routed_release WHERE t.function_id = page.function_id AND r.deployment_id = page.id),
		'layer', layer_digest, 'layerDiffId', layer_diff_id, 'spec', spec, 'imageDeletedAt', rfc3339(image_deleted_at),
		'keptBy', (SELECT coalesce(json_agg(DISTINCT k.why), '[]') FROM keepers_of(page.function_id) AS k WHERE k.deployment_id = page.id),
		'releases', (
			SELECT coalesce(json_agg(json_build_object('id', r.id, 'release', r.n, 'environment', r.environment, 'createdAt', rfc3339(r.created_at),
				'servedAt', rfc3339(r.served_at), 'routedAt', rfc3339(r.routed_at), 'unroutedAt', rfc3339(r.unrouted_at),
				'rejectedAt', rfc3339(r.rejected_at),
				'instances', (SELECT count(*) FROM instances i WHERE i.release_id = r.id)) ORDER BY r.environment, r.n), '[]')
			FROM releases r WHERE r.deployment_id = page.id))
FROM page
