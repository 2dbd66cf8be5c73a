UPDATE intents SET finished_at = clock_timestamp(), outcome = $2 WHERE step_id = $1::bigint RETURNING 1
