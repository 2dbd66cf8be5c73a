UPDATE work
SET lease_owner = NULL, lease_until = NULL, attempt = 0, last_reason = $6, last_message = '',
	due_at = clock_timestamp() + CASE WHEN seq = $4::bigint THEN $5::bigint ELSE 0 END * interval '1 millisecond'
WHERE key = $1 AND lease_owner = $2 AND epoch = $3::bigint
RETURNING 1
