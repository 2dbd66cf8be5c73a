SELECT work_mark(ARRAY(
	SELECT concat_ws('/', 'function', $1::text, $2::text)
	UNION SELECT concat_ws('/', 'target', $1::text, $2::text, name) FROM environments WHERE project = $1
	UNION SELECT concat_ws('/', 'target', $1::text, $2::text, environment) FROM targets WHERE project = $1 AND name = $2))
