UPDATE rollbacks k SET state = 'failed', reason = $3, message = $4, finished_at = clock_timestamp(),
	held_release = CASE WHEN k.settled THEN k.held_release ELSE coalesce(t.routed_release, k.held_release) END
FROM targets t
WHERE t.function_id = $1::uuid AND t.environment = $2 AND k.id = t.hold AND k.state = 'pending'
RETURNING 1
