-- The bytes that go with each version: a layer that a version has which stays frees nothing, and one that several have which go counts once, with the oldest.
-- $3: a JSON array of the versions that are asked about; $4: the totals as well, of all that $1 and $2 (project and name) leave. Fates are looked up a function at a time.
WITH asked AS MATERIALIZED (
	SELECT id::uuid FROM jsonb_array_elements_text($3::jsonb) AS id
), picked AS (
	SELECT d.function_id, d.id FROM asked JOIN function_deployments d ON d.id = asked.id
	UNION
	SELECT d.function_id, d.id FROM retention_rules q JOIN function_deployments d ON d.function_id = q.function_id
	WHERE $4::boolean AND ($1::text IS NULL OR q.project = $1) AND ($2::text IS NULL OR q.name = $2)
		AND ($2::text IS NOT NULL OR q.function_id IN (SELECT c.function_id FROM retention_candidates c))
		AND (d.status = 'ready' OR d.status IN ('archived', 'failed') AND d.image_digest IS NOT NULL AND d.image_deleted_at IS NULL
			OR d.status = 'archived' AND d.archive_deleted_at IS NULL AND (d.s3_key IS NULL OR q.archives > 0))
	UNION
	SELECT d.function_id, d.id FROM function_deployments d JOIN functions f ON f.id = d.function_id
	WHERE $4::boolean AND ($1::text IS NULL OR f.project = $1) AND ($2::text IS NULL OR f.name = $2) AND d.image_deleted_at > (SELECT registry_collected())
), going AS MATERIALIZED (
	SELECT d.id, d.version, d.layer_digest, d.layer_size, d.source_size, x.due,
		coalesce(x.due IN ('archive', 'delete-image'), false) OR coalesce(d.image_deleted_at > (SELECT registry_collected()), false) AS layer_goes
	FROM (SELECT function_id, array_agg(id) AS ids FROM picked GROUP BY function_id) AS p
	CROSS JOIN LATERAL fates_of(p.function_id) AS x JOIN function_deployments d ON d.id = x.id
	WHERE x.id = ANY (p.ids) AND (x.due IS NOT NULL OR d.image_deleted_at > (SELECT registry_collected()))
), others AS (
	SELECT o.id, o.function_id FROM (SELECT DISTINCT layer_digest FROM going WHERE layer_goes) AS wanted
	JOIN function_deployments o ON o.layer_digest = wanted.layer_digest
	WHERE o.id NOT IN (SELECT id FROM going) AND (o.image_deleted_at IS NULL OR o.image_deleted_at > (SELECT registry_collected()))
), having_them AS MATERIALIZED (
	SELECT d.id, d.version, d.layer_digest, d.layer_size, d.status IN ('ready', 'building') AND x.due IS DISTINCT FROM 'archive' AS stays,
		($1::text IS NULL OR x.project = $1) AND ($2::text IS NULL OR x.name = $2)
			AND (coalesce(x.due IN ('archive', 'delete-image'), false) OR d.image_deleted_at IS NOT NULL) AS layer_goes
	FROM (SELECT function_id, array_agg(id) AS ids FROM others GROUP BY function_id) AS p
	CROSS JOIN LATERAL fates_of(p.function_id) AS x JOIN function_deployments d ON d.id = x.id
	WHERE x.id = ANY (p.ids)
), layers AS (
	SELECT DISTINCT ON (layer_digest) id, layer_size
	FROM (SELECT id, version, layer_digest, layer_size FROM going WHERE layer_goes
		UNION ALL SELECT id, version, layer_digest, layer_size FROM having_them WHERE layer_goes) AS g
	WHERE layer_digest IS NOT NULL AND layer_digest NOT IN (SELECT layer_digest FROM having_them WHERE stays)
	ORDER BY layer_digest, version, id
), archives AS (
	SELECT id, source_size + layer_size AS bytes FROM going WHERE due IN ('drop-archive', 'delete-archive')
), frees AS (
	SELECT id, sum(bytes)::bigint AS bytes FROM (SELECT id, layer_size AS bytes FROM layers UNION ALL SELECT id, bytes FROM archives) AS both_of_them
	WHERE id IN (SELECT id FROM asked) GROUP BY id
)
SELECT json_build_object(
	'totals', CASE WHEN $4::boolean THEN json_build_object('versions', (SELECT count(*) FROM going WHERE due IS NOT NULL),
		'registry', (SELECT coalesce(sum(layer_size), 0)::bigint FROM layers), 'store', (SELECT coalesce(sum(bytes), 0)::bigint FROM archives)) END,
	'frees', (SELECT coalesce(json_object_agg(id, bytes), '{}') FROM frees))
