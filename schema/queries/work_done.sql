UPDATE work
SET done_seq = $4::bigint, lease_owner = NULL, lease_until = NULL, attempt = 0, last_reason = '', last_message = '',
	due_at = clock_timestamp() -- an event since the claim: due now, behind what waits already
WHERE key = $1 AND lease_owner = $2 AND epoch = $3::bigint
RETURNING 1
