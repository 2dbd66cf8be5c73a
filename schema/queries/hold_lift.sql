-- A rollback that is superseded did not happen: what it rejected is not.
WITH held AS (
	SELECT k.* FROM targets t JOIN rollbacks k ON k.id = t.hold WHERE t.function_id = $1::uuid AND t.environment = $2
), lifted AS (
	UPDATE rollbacks SET lifted_at = clock_timestamp(), lifted_by = $3, finished_at = coalesce(finished_at, clock_timestamp()),
		state = CASE WHEN state = 'pending' THEN 'superseded' ELSE state END
	WHERE id IN (SELECT id FROM held)
), taken_back AS (
	UPDATE releases r SET rejected_at = NULL, rejected_by = NULL FROM held k
	WHERE k.state = 'pending' AND r.function_id = k.function_id AND r.rejected_by = k.id
)
UPDATE targets SET hold = NULL, floor = 0, updated_at = clock_timestamp()
WHERE function_id = $1::uuid AND environment = $2 AND hold IS NOT NULL
RETURNING 1
