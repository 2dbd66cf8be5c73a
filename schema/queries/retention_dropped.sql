UPDATE function_deployments SET archive_deleted_at = clock_timestamp() WHERE id = $1::uuid AND status = 'archived' AND s3_key IS NULL RETURNING 1
