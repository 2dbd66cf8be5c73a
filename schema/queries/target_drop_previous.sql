UPDATE targets SET previous_release = NULL, updated_at = clock_timestamp()
WHERE function_id = $1::uuid AND environment = $2
RETURNING 1
