-- The newest first; the cursor is the last item's time and id. No row when there is no such function.
WITH f AS (
	SELECT id FROM functions WHERE project = $1 AND (name = $2 OR id = as_uuid($2)) AND deleted_at IS NULL
	ORDER BY name = $2 DESC LIMIT 1
), page AS (
	SELECT k.id, to_char(k.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '_' || k.id AS cursor,
		row_number() OVER (ORDER BY k.created_at DESC, k.id DESC) AS i
	FROM rollbacks k
	WHERE k.function_id = (SELECT id FROM f)
		AND ($3::text IS NULL OR (k.created_at, k.id) < (split_part($3, '_', 1)::timestamptz, split_part($3, '_', 2)::uuid))
	ORDER BY k.created_at DESC, k.id DESC
	LIMIT $4::bigint + 1
), items AS (
	SELECT i, cursor, row_to_json(v) AS item FROM page JOIN rollback_documents v ON v.id = page.id
)
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $4::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $4::bigint THEN (SELECT cursor FROM items WHERE i = $4::bigint) END)
FROM f
