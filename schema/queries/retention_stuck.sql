-- A row when this is news.
UPDATE function_deployments SET reason = $2, message = $3 WHERE id = $1::uuid AND status = 'ready' AND (reason, message) IS DISTINCT FROM ($2, $3) RETURNING 1
