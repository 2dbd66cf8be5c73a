UPDATE function_deployments SET status = 'failed', reason = $2, message = $3, deadline_at = NULL
WHERE id = $1::uuid AND status IN ('building', 'failed')
RETURNING 1
