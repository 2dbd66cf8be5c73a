UPDATE targets SET failed_release = nullif($3, '')::uuid, failed_reason = $4, failed_message = $5, updated_at = clock_timestamp()
WHERE function_id = $1::uuid AND environment = $2
RETURNING 1
