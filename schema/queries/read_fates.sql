-- Versions with what keeps them or why they go, by project, name and id of the function, the newest first; the cursor is these of the last item.
-- Those of which nothing is left are not there. First which versions, by index; what becomes of them is looked up for these only.
WITH page AS MATERIALIZED (
	SELECT d.*, f.project, f.name, row_number() OVER (ORDER BY f.project, f.name, f.id, d.version DESC) AS i
	FROM functions f JOIN function_deployments d ON d.function_id = f.id
	WHERE ($1::text IS NULL OR f.project = $1) AND ($2::text IS NULL OR f.name = $2)
		AND ($3::text IS NULL OR (f.project, f.name, f.id) >= (split_part($3, ' ', 1), split_part($3, ' ', 2), split_part($3, ' ', 3)::uuid)
			AND (f.id <> split_part($3, ' ', 3)::uuid OR d.version < split_part($3, ' ', 4)::integer))
		AND (d.status IN ('ready', 'building') OR d.status = 'archived' AND (d.s3_key IS NOT NULL OR d.archive_deleted_at IS NULL)
			OR d.status = 'failed' AND d.image_digest IS NOT NULL AND (d.image_deleted_at IS NULL OR d.image_deleted_at > (SELECT registry_collected())))
	ORDER BY f.project, f.name, f.id, d.version DESC
	LIMIT $4::bigint + 1
), items AS (
	SELECT i, concat_ws(' ', page.project, page.name, function_id, page.version) AS cursor, json_build_object('id', page.id, 'project', page.project,
		'function', page.name, 'functionId', function_id, 'gone', gone, 'version', page.version, 'status', page.status, 'digest', image_digest,
		'size', layer_size, 'due', due,
		'keptBy', CASE WHEN due IS NOT NULL THEN '{}'
			WHEN page.status = 'ready' AND reason <> '' AND newest IS NULL AND whys IS NULL THEN ARRAY[message]
			WHEN page.status = 'archived' THEN coalesce(whys, '{}') || ARRAY['its archive']
			ELSE coalesce(whys, '{}') || CASE WHEN newest IS NULL THEN '{}' ELSE ARRAY[newest] END END,
		'rule', CASE WHEN due IS NOT NULL THEN rule
			WHEN image_deleted_at > (SELECT registry_collected()) THEN 'its image was deleted, and its bytes wait for a collection' END) AS item
	FROM (SELECT function_id AS id, array_agg(id) AS ids FROM page GROUP BY function_id) AS f
	CROSS JOIN LATERAL fates_of(f.id) AS x JOIN page ON page.id = x.id
	WHERE x.id = ANY (f.ids))
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $4::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $4::bigint THEN (SELECT cursor FROM items WHERE i = $4::bigint) END)
