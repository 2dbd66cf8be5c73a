-- Of every function, the newest first; the cursor is the last item's time and id.
WITH page AS (
	SELECT d.id, to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '_' || d.id AS cursor,
		row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS i
	FROM function_deployments d JOIN functions f ON f.id = d.function_id
	WHERE ($1::text IS NULL OR f.project = $1) AND f.deleted_at IS NULL
		AND ($2::text IS NULL OR (d.created_at, d.id) < (split_part($2, '_', 1)::timestamptz, split_part($2, '_', 2)::uuid))
	ORDER BY d.created_at DESC, d.id DESC
	LIMIT $3::bigint + 1
), items AS (
	SELECT i, cursor, row_to_json(v) AS item FROM page JOIN deployment_documents v ON v.id = page.id
)
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $3::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $3::bigint THEN (SELECT cursor FROM items WHERE i = $3::bigint) END)
