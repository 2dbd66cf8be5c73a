-- $3: a JSON array of all that was seen.
WITH seen AS (
	SELECT x.* FROM jsonb_to_recordset($3::jsonb)
		AS x(id text, release text, slot integer, incarnation integer, address text, state text, reason text, message text)
), gone AS (
	DELETE FROM instances i USING releases r
	WHERE i.function_id = $1::uuid AND r.id = i.release_id AND r.environment = $2 AND i.id NOT IN (SELECT id FROM seen)
)
INSERT INTO instances AS i (id, function_id, release_id, slot, incarnation, address, state, reason, message)
SELECT DISTINCT ON (s.id) s.id, r.function_id, r.id, s.slot, s.incarnation, s.address, s.state, s.reason, s.message
FROM seen s JOIN releases r ON r.id::text = s.release AND r.function_id = $1::uuid AND r.environment = $2
ORDER BY s.id
ON CONFLICT (id) DO UPDATE SET function_id = EXCLUDED.function_id, release_id = EXCLUDED.release_id, slot = EXCLUDED.slot,
	incarnation = EXCLUDED.incarnation, address = EXCLUDED.address, state = EXCLUDED.state, reason = EXCLUDED.reason, message = EXCLUDED.message,
	updated_at = clock_timestamp()
WHERE (i.release_id, i.slot, i.incarnation, i.address, i.state, i.reason, i.message)
	IS DISTINCT FROM (EXCLUDED.release_id, EXCLUDED.slot, EXCLUDED.incarnation, EXCLUDED.address, EXCLUDED.state, EXCLUDED.reason, EXCLUDED.message)
