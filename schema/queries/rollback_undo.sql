WITH undone AS (
	SELECT k.* FROM rollbacks k JOIN targets t ON t.hold = k.id WHERE t.function_id = $1::uuid AND t.environment = $2
), taken_back AS (
	UPDATE releases r SET rejected_at = NULL, rejected_by = NULL FROM undone k WHERE r.function_id = k.function_id AND r.rejected_by = k.id
)
UPDATE targets t
SET hold = CASE WHEN k.settled THEN k.previous ELSE k.id END,
	floor = CASE WHEN k.settled THEN coalesce((SELECT b.floor FROM rollbacks b WHERE b.id = k.previous), 0) ELSE k.floor END,
	want_version = coalesce((SELECT d.version FROM releases r JOIN function_deployments d ON d.id = r.deployment_id WHERE r.id = t.routed_release), t.want_version),
	updated_at = clock_timestamp()
FROM undone k
WHERE t.function_id = $1::uuid AND t.environment = $2
RETURNING 1
