-- KEY SHARE holds off a claim (FOR UPDATE) until the transaction ends, and lets an enqueue (NO KEY UPDATE) through.
SELECT 1 FROM work
WHERE key = $1 AND lease_owner = $2 AND epoch = $3::bigint AND lease_until > clock_timestamp()
FOR KEY SHARE
