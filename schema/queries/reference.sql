SELECT 1 FROM manifests WHERE kind = $1 AND project = $2 AND name = $3 AND deleted_at IS NULL
