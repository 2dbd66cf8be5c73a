-- The bytes that go with each version: a layer that a version has which stays frees nothing, and one that several have which go counts once, with the oldest.
WITH going AS (
	SELECT d.id, d.function_id, d.version, d.layer_digest, d.layer_size, d.source_size, x.due
	FROM retention_candidates c JOIN function_deployments d ON d.function_id = c.function_id
	JOIN deployment_fates x ON x.id = d.id AND x.function_id = d.function_id WHERE x.due IS NOT NULL
	UNION
	SELECT d.id, d.function_id, d.version, d.layer_digest, d.layer_size, d.source_size, 'collect' FROM function_deployments d
	WHERE d.image_deleted_at > registry_collected() AND d.status IN ('archived', 'failed')
), scope AS (
	SELECT going.* FROM going JOIN retention_rules q ON q.function_id = going.function_id
	WHERE ($1::text IS NULL OR q.project = $1) AND ($2::text IS NULL OR q.name = $2)
), layers AS (
	SELECT DISTINCT ON (layer_digest) id, layer_size FROM scope
	WHERE due IN ('archive', 'delete-image', 'collect') AND NOT EXISTS (
		SELECT FROM function_deployments o JOIN deployment_fates ox ON ox.id = o.id
		WHERE o.layer_digest = scope.layer_digest AND o.status IN ('ready', 'building') AND ox.due IS DISTINCT FROM 'archive')
	ORDER BY layer_digest, version, id
), archives AS (
	SELECT id, source_size + layer_size AS bytes FROM scope WHERE due IN ('drop-archive', 'delete-archive')
), frees AS (
	SELECT id, sum(bytes)::bigint AS bytes FROM (SELECT id, layer_size AS bytes FROM layers UNION ALL SELECT id, bytes FROM archives) AS both_of_them GROUP BY id
)
SELECT json_build_object(
	'totals', json_build_object('versions', (SELECT count(DISTINCT id) FROM scope WHERE due <> 'collect'),
		'registry', (SELECT coalesce(sum(layer_size), 0)::bigint FROM layers), 'store', (SELECT coalesce(sum(bytes), 0)::bigint FROM archives)),
	'frees', (SELECT coalesce(json_object_agg(id, bytes), '{}') FROM frees))
