WITH RECURSIVE heirs AS (
	SELECT $2::text AS name
	UNION SELECT e.name FROM environments e JOIN heirs h ON e.inherits = h.name WHERE e.project = $1)
SELECT work_mark(ARRAY(
	SELECT concat_ws('/', 'environment', $1::text, $2::text)
	UNION SELECT concat_ws('/', 'target', f.project, f.name, h.name) FROM functions f, heirs h WHERE f.project = $1 AND f.deleted_at IS NULL))
