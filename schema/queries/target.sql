SELECT function_id, mode, status, message, held_by, failed_reason, failed_message, want_version, floor, seen_generation,
	active_release, routed_release, previous_release, failed_release, wall_ms(routed_at), seen_environment, seen_pin
FROM targets WHERE function_id = $1::uuid AND environment = $2
