SELECT work_mark(ARRAY(
	SELECT concat_ws('/', 'project', $1::text, $1::text)
	UNION SELECT concat_ws('/', 'function', project, name) FROM functions WHERE project = $1 AND deleted_at IS NULL))
