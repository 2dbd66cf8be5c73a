UPDATE function_deployments SET s3_key = NULL
WHERE id = $1::uuid AND EXISTS (
	SELECT FROM deployment_fates x WHERE x.id = $1::uuid AND x.function_id = function_deployments.function_id AND x.due = 'drop-archive')
RETURNING 1
