-- Keys that are dirty already keep their time and their backoff; but those that only wait for a time are looked at like all others.
WITH keys AS (
	SELECT concat_ws('/', kind, project, name) AS key FROM manifests
	UNION SELECT concat_ws('/', 'target', project, name, environment) FROM targets
	UNION SELECT concat_ws('/', 'target', project, spec->>'function', spec->>'environment') FROM manifests WHERE kind = 'pin'
	UNION SELECT concat_ws('/', 'target', f.project, f.name, e.name) FROM environments e
		JOIN manifests f ON f.kind = 'function' AND f.project = e.project AND f.labels @> e.selector
		WHERE e.follow
	UNION SELECT concat_ws('/', 'retention', f.project, f.name) FROM function_deployments d JOIN functions f ON f.id = d.function_id
		WHERE d.status IN ('archived', 'failed') AND d.image_digest IS NOT NULL AND d.image_deleted_at IS NULL
	UNION SELECT concat_ws('/', 'retention', f.project, f.name) FROM function_deployments d JOIN functions f ON f.id = d.function_id
		WHERE d.status = 'archived' AND d.s3_key IS NULL AND d.archive_deleted_at IS NULL)
SELECT work_mark(coalesce(array_agg(keys.key), '{}'))
FROM keys LEFT JOIN work w ON w.key = keys.key
WHERE w.key IS NULL OR w.seq = w.done_seq OR (w.attempt = 0 AND w.due_at > clock_timestamp())
