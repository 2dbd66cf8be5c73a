UPDATE targets SET status = $3, message = $4, seen_generation = $5::bigint, seen_environment = $6::bigint, seen_pin = $7::bigint,
	updated_at = clock_timestamp()
WHERE function_id = $1::uuid AND environment = $2
	AND (status, message, seen_generation, seen_environment, seen_pin) IS DISTINCT FROM ($3, $4, $5::bigint, $6::bigint, $7::bigint)
