SELECT 1 FROM manifests WHERE kind = 'project' AND project = $1 AND name = $1 AND deleted_at IS NULL
