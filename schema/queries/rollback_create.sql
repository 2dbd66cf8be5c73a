WITH unfinished AS (
	UPDATE rollbacks SET state = 'superseded', finished_at = clock_timestamp()
	WHERE state = 'pending' AND id = (SELECT hold FROM targets WHERE function_id = $1::uuid AND environment = $2)
)
INSERT INTO rollbacks (function_id, environment, actor, note, from_version, from_release, to_version, to_release, held_release, image, floor, base, pin, settled,
	previous)
SELECT function_id, environment, $3, $4, nullif($5::integer, 0), $6::uuid, $7::integer, $8::uuid, $8::uuid, $9, $10::integer, $11::jsonb, $12, $13::boolean, hold
FROM targets WHERE function_id = $1::uuid AND environment = $2
RETURNING id
