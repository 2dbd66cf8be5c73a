SELECT t.function_id, t.mode, t.status, t.message, k.actor, t.failed_reason, t.failed_message, t.want_version, t.floor, t.seen_generation,
	t.active_release, t.routed_release, t.previous_release, t.failed_release, wall_ms(t.routed_at), t.seen_environment, t.seen_pin,
	k.id, k.held_release, k.note, k.pin, k.base, k.state = 'pending'
FROM targets t LEFT JOIN rollbacks k ON k.id = t.hold
WHERE t.function_id = $1::uuid AND t.environment = $2
