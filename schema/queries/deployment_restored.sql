UPDATE function_deployments SET status = 'ready', archived_at = NULL, image_deleted_at = NULL
WHERE id = $1::uuid AND (status = 'ready' OR status = 'archived' AND image_deleted_at IS NOT NULL)
RETURNING 1
