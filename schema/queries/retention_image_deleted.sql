UPDATE function_deployments SET image_deleted_at = clock_timestamp() WHERE id = $1::uuid RETURNING 1
