UPDATE functions f SET deleted_at = coalesce(deleted_at, clock_timestamp()), status = 'inactive', active_deployment_id = NULL
WHERE id = $1::uuid AND NOT EXISTS (SELECT 1 FROM targets t WHERE t.function_id = f.id)
RETURNING 1
