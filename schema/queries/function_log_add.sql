INSERT INTO function_logs (function_id, deployment_id, environment, actor, operation, message)
VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6)
