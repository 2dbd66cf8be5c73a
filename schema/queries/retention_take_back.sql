-- Something refers to it again, and the registry still has its image.
UPDATE function_deployments d SET status = 'ready', archived_at = NULL
WHERE id = $1::uuid AND status = 'archived' AND image_digest IS NOT NULL AND image_deleted_at IS NULL
	AND EXISTS (SELECT FROM keepers_of(d.function_id) AS k WHERE k.deployment_id = d.id)
RETURNING 1
