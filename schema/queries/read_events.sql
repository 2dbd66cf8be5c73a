-- After "0" the newest $5, else what comes after that id; oldest first. last: where to read on, also when nothing fits the filter.
WITH seen AS (
	SELECT coalesce(max(id), 0) AS id FROM events
), page AS (
	SELECT * FROM (
		SELECT * FROM events
		WHERE $4::bigint = 0 AND id IS NOT NULL AND ($1::text IS NULL OR project = $1) AND ($2::text IS NULL OR kind = $2)
			AND ($3::text IS NULL OR name = $3)
		ORDER BY id DESC LIMIT $5::bigint) AS newest
	UNION ALL
	SELECT * FROM (
		SELECT * FROM events
		WHERE $4::bigint > 0 AND id > $4::bigint AND ($1::text IS NULL OR project = $1) AND ($2::text IS NULL OR kind = $2)
			AND ($3::text IS NULL OR name = $3)
		ORDER BY id LIMIT $5::bigint) AS later)
SELECT json_build_object(
	'items', coalesce(json_agg(json_strip_nulls(json_build_object(
		'id', id, 'at', rfc3339(at), 'type', type, 'kind', kind, 'project', project, 'name', name, 'environment', environment,
		'reason', reason, 'message', message)) ORDER BY id), '[]'),
	'last', CASE WHEN count(*) < $5::bigint THEN greatest((SELECT id FROM seen), $4::bigint) ELSE max(id) END)
FROM page
