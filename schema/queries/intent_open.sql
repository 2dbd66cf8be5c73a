-- What an earlier holder of the lease began and did not end: nobody knows how it came out.
WITH held AS (
	SELECT key, epoch FROM work WHERE key = $1 AND lease_owner = $2 AND epoch = $3::bigint FOR KEY SHARE
), unknown AS (
	UPDATE intents i SET outcome = 'unknown', finished_at = clock_timestamp() FROM held
	WHERE i.key = held.key AND i.epoch < held.epoch AND i.outcome IS NULL
)
INSERT INTO intents (key, epoch, step, detail)
SELECT key, epoch, $4, $5::jsonb FROM held
RETURNING step_id
