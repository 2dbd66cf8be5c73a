UPDATE function_deployments SET status = 'archived', archived_at = clock_timestamp()
WHERE id = $1::uuid AND EXISTS (
	SELECT FROM deployment_fates x WHERE x.id = $1::uuid AND x.function_id = function_deployments.function_id AND x.due = 'archive')
RETURNING 1
