SELECT concat_ws('/', kind, name) FROM manifests
WHERE project = $1 AND kind = 'pin' AND spec->>'function' = $2 AND deleted_at IS NULL
ORDER BY name LIMIT 1
