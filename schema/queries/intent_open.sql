INSERT INTO intents (key, epoch, step, detail)
SELECT key, epoch, $4, $5::jsonb FROM work WHERE key = $1 AND lease_owner = $2 AND epoch = $3::bigint FOR KEY SHARE
RETURNING step_id
