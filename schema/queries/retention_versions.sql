-- Of all functions that have or had this name: the versions something may be due for, the oldest first. $3: which part of them.
SELECT x.id, x.function_id, x.version, x.status, coalesce(x.due, ''), x.shared, x.whys IS NOT NULL, wall_ms(x.look_again), coalesce(x.rule, ''), x.gone
FROM retention_rules q
JOIN function_deployments d ON d.function_id = q.function_id
JOIN deployment_fates x ON x.id = d.id AND x.function_id = d.function_id
WHERE q.project = $1 AND q.name = $2 AND (
	d.status = 'ready'
	OR d.status IN ('archived', 'failed') AND d.image_digest IS NOT NULL AND d.image_deleted_at IS NULL
	OR d.status = 'archived' AND d.s3_key IS NULL AND d.archive_deleted_at IS NULL
	OR d.status = 'archived' AND d.s3_key IS NOT NULL AND q.archives > 0)
	AND (x.due IS NOT NULL OR x.look_again IS NOT NULL AND x.newest IS NULL)
ORDER BY x.due IS NULL, x.gone DESC, x.function_id, x.version
LIMIT $3::bigint
