SELECT concat_ws('/', kind, name) FROM manifests WHERE project = $1 AND kind <> 'project' AND deleted_at IS NULL ORDER BY kind, name LIMIT 1
