SELECT concat_ws('/', 'function', f.name) FROM functions f
JOIN manifests m ON m.kind = 'function' AND m.project = f.project AND m.name = f.name AND m.deleted_at IS NULL
WHERE f.runtime = $2 AND f.deleted_at IS NULL
	AND (f.project = $1 AND ($1 = 'default' OR NOT EXISTS (
			SELECT 1 FROM manifests d WHERE d.kind = 'runtime' AND d.project = 'default' AND d.name = $2 AND d.deleted_at IS NULL))
		OR $1 = 'default' AND NOT EXISTS (
			SELECT 1 FROM manifests r WHERE r.kind = 'runtime' AND r.project = f.project AND r.name = $2 AND r.deleted_at IS NULL))
ORDER BY f.name LIMIT 1
