-- Newest first; the cursor is the last item's id. No row when there is no such function.
WITH f AS (
	SELECT id FROM functions WHERE project = $1 AND (name = $2 OR id = as_uuid($2)) AND deleted_at IS NULL
	ORDER BY name = $2 DESC LIMIT 1
), page AS (
	SELECT l.*, row_number() OVER (ORDER BY l.id DESC) AS i FROM function_logs l
	WHERE l.function_id = (SELECT id FROM f) AND ($3::text IS NULL OR l.id < $3::bigint)
	ORDER BY l.id DESC
	LIMIT $4::bigint + 1
), items AS (
	SELECT i, page.id, json_build_object('id', page.id, 'at', rfc3339(at), 'version', d.version, 'environment', environment, 'actor', actor,
		'operation', operation, 'message', page.message, 'detail', detail) AS item
	FROM page LEFT JOIN function_deployments d ON d.id = page.deployment_id)
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $4::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $4::bigint THEN (SELECT id::text FROM items WHERE i = $4::bigint) END)
FROM f
