SELECT name FROM manifests WHERE kind = $1 AND project = $2 AND deleted_at IS NULL ORDER BY name LIMIT 1000
