-- All that were asked for become one: the newest.
UPDATE collections SET started_at = clock_timestamp() WHERE finished_at IS NULL AND started_at IS NULL RETURNING 1
