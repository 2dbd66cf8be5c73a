UPDATE targets SET active_release = nullif($3, '')::uuid, updated_at = clock_timestamp()
WHERE function_id = $1::uuid AND environment = $2
RETURNING 1
