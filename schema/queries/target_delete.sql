WITH seen AS (
	DELETE FROM instances i USING releases r WHERE r.id = i.release_id AND r.function_id = $1::uuid AND r.environment = $2
), unfinished AS (
	UPDATE rollbacks SET state = 'superseded', finished_at = clock_timestamp()
	WHERE state = 'pending' AND id = (SELECT hold FROM targets WHERE function_id = $1::uuid AND environment = $2)
)
DELETE FROM targets WHERE function_id = $1::uuid AND environment = $2
