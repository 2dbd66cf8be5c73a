SELECT concat_ws('/', m.kind, m.name) FROM manifests m
LEFT JOIN environments e ON m.kind = 'environment' AND e.project = m.project AND e.name = m.name
WHERE m.project = $1 AND m.deleted_at IS NULL
	AND (m.kind = 'environment' AND e.inherits = $2 OR m.kind = 'pin' AND m.spec->>'environment' = $2)
ORDER BY m.kind, m.name LIMIT 1
