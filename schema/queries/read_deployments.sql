-- Newest first; the cursor is the last item's version. No row when there is no such function.
WITH f AS (
	SELECT id FROM functions WHERE project = $1 AND (name = $2 OR id = as_uuid($2)) AND deleted_at IS NULL
	ORDER BY name = $2 DESC LIMIT 1
), page AS (
	SELECT id, row_number() OVER (ORDER BY version DESC) AS i FROM function_deployments
	WHERE function_id = (SELECT id FROM f) AND ($3::text IS NULL OR version < $3::bigint)
	ORDER BY version DESC
	LIMIT $4::bigint + 1
), items AS (
	SELECT i, v.version, row_to_json(v) AS item FROM page JOIN deployment_documents v ON v.id = page.id
)
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $4::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $4::bigint THEN (SELECT version::text FROM items WHERE i = $4::bigint) END)
FROM f
