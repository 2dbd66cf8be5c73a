UPDATE targets t SET hold = k.id, floor = k.floor, want_version = k.to_version, updated_at = clock_timestamp(),
	failed_release = CASE WHEN t.failed_release = k.to_release THEN NULL ELSE t.failed_release END,
	failed_reason = CASE WHEN t.failed_release = k.to_release THEN '' ELSE t.failed_reason END,
	failed_message = CASE WHEN t.failed_release = k.to_release THEN '' ELSE t.failed_message END
FROM rollbacks k
WHERE k.id = $1::uuid AND t.function_id = k.function_id AND t.environment = k.environment
RETURNING 1
