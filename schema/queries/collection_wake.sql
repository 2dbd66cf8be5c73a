-- Marks the retention of every function that has something due; those that may have are found by the indexes.
WITH candidates AS (
	SELECT n.function_id FROM (SELECT function_id, count(*) AS n FROM function_deployments WHERE status = 'ready' GROUP BY function_id) AS n
		JOIN retention_rules q ON q.function_id = n.function_id WHERE n.n > q.versions
	UNION SELECT function_id FROM function_deployments WHERE status IN ('archived', 'failed') AND image_digest IS NOT NULL AND image_deleted_at IS NULL
	UNION SELECT function_id FROM function_deployments WHERE status = 'archived' AND s3_key IS NULL AND archive_deleted_at IS NULL
	UNION SELECT q.function_id FROM retention_rules q WHERE q.archives > 0 AND EXISTS (
		SELECT FROM function_deployments d WHERE d.function_id = q.function_id AND d.status = 'archived' AND d.s3_key IS NOT NULL)
)
SELECT work_mark(coalesce(array_agg(concat_ws('/', 'retention', q.project, q.name)), '{}'))
FROM candidates c JOIN retention_rules q ON q.function_id = c.function_id
