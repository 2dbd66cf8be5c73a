-- The default project's runtimes are everybody's who has none of that name.
SELECT work_mark(ARRAY(
	SELECT concat_ws('/', 'runtime', $1::text, $2::text)
	UNION SELECT concat_ws('/', 'function', f.project, f.name) FROM functions f
		WHERE f.runtime = $2 AND f.deleted_at IS NULL
			AND (f.project = $1 OR $1 = 'default' AND NOT EXISTS (
				SELECT 1 FROM manifests r WHERE r.kind = 'runtime' AND r.project = f.project AND r.name = $2))))
