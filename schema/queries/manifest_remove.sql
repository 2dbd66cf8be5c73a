DELETE FROM manifests m
WHERE kind = $1 AND project = $2 AND name = $3 AND deleted_at IS NOT NULL
	AND (kind <> 'project' OR NOT EXISTS (SELECT 1 FROM manifests o WHERE o.project = $2 AND o.kind <> 'project'))
RETURNING 1
