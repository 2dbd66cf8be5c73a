UPDATE work SET lease_until = clock_timestamp() + $4::bigint * interval '1 millisecond'
WHERE key = $1 AND lease_owner = $2 AND epoch = $3::bigint
RETURNING 1
