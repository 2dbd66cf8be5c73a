-- Versions with what keeps them or why they go, by project, name and id of the function, the newest first; the cursor is these of the last item.
-- Those of which nothing is left are not there.
WITH page AS (
	SELECT d.*, q.project, q.name, x.due, x.rule, x.whys, x.newest, x.gone, concat_ws(' ', q.project, q.name, d.function_id, d.version) AS cursor,
		row_number() OVER (ORDER BY q.project, q.name, d.function_id, d.version DESC) AS i
	FROM function_deployments d JOIN retention_rules q ON q.function_id = d.function_id JOIN deployment_fates x ON x.id = d.id
	WHERE ($1::text IS NULL OR q.project = $1) AND ($2::text IS NULL OR q.name = $2)
		AND ($3::text IS NULL OR (q.project, q.name, d.function_id, -d.version)
			> (split_part($3, ' ', 1), split_part($3, ' ', 2), split_part($3, ' ', 3)::uuid, -split_part($3, ' ', 4)::integer))
		AND (d.status IN ('ready', 'building') OR d.status = 'archived' AND (d.s3_key IS NOT NULL OR d.archive_deleted_at IS NULL)
			OR d.status = 'failed' AND d.image_digest IS NOT NULL AND (d.image_deleted_at IS NULL OR d.image_deleted_at > registry_collected()))
	ORDER BY q.project, q.name, d.function_id, d.version DESC
	LIMIT $4::bigint + 1
), items AS (
	SELECT i, cursor, json_build_object('id', id, 'project', project, 'function', name, 'functionId', function_id, 'gone', gone, 'version', version,
		'status', status, 'digest', image_digest, 'size', layer_size, 'due', due,
		'keptBy', CASE WHEN due IS NOT NULL THEN '{}'
			WHEN status = 'ready' AND reason <> '' AND newest IS NULL AND whys IS NULL THEN ARRAY[message]
			WHEN status = 'archived' THEN coalesce(whys, '{}') || ARRAY['its archive']
			ELSE coalesce(whys, '{}') || CASE WHEN newest IS NULL THEN '{}' ELSE ARRAY[newest] END END,
		'rule', CASE WHEN due IS NOT NULL THEN rule
			WHEN image_deleted_at > registry_collected() THEN 'its image was deleted, and its bytes wait for a collection' END) AS item
	FROM page)
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $4::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $4::bigint THEN (SELECT cursor FROM items WHERE i = $4::bigint) END)
