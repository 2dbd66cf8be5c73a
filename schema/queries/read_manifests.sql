-- The cursor is project/name of the last item: a page stays where it is while rows come and go before and after it.
WITH page AS (
	SELECT project, name, document, row_number() OVER (ORDER BY project, name) AS i FROM manifest_documents
	WHERE kind = $1 AND ($2::text IS NULL OR project = $2)
		AND ($3::text IS NULL OR (project, name) > (split_part($3, '/', 1), split_part($3, '/', 2)))
	ORDER BY project, name
	LIMIT $4::bigint + 1)
SELECT json_build_object(
	'items', coalesce(json_agg(document ORDER BY i) FILTER (WHERE i <= $4::bigint), '[]'),
	'next', CASE WHEN count(*) > $4::bigint THEN (SELECT concat_ws('/', project, name) FROM page WHERE i = $4::bigint) END)
FROM page
