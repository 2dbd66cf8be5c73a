WITH held AS (
	SELECT hold FROM targets WHERE function_id = $1::uuid AND environment = $2 AND hold IS NOT NULL
), lifted AS (
	UPDATE rollbacks SET lifted_at = clock_timestamp(), lifted_by = $3, finished_at = coalesce(finished_at, clock_timestamp()),
		state = CASE WHEN state = 'pending' THEN 'superseded' ELSE state END
	WHERE id IN (SELECT hold FROM held)
)
UPDATE targets SET hold = NULL, floor = 0, updated_at = clock_timestamp()
WHERE function_id = $1::uuid AND environment = $2 AND hold IS NOT NULL
RETURNING 1
