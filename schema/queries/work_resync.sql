-- Keys that are dirty already keep their time and their backoff; but those that only wait for a time are looked at like all others.
WITH keys AS (
	SELECT concat_ws('/', kind, project, name) AS key FROM manifests
	UNION SELECT concat_ws('/', 'target', project, name, environment) FROM targets
	UNION SELECT concat_ws('/', 'target', project, spec->>'function', spec->>'environment') FROM manifests WHERE kind = 'pin'
	UNION SELECT concat_ws('/', 'target', f.project, f.name, e.name) FROM environments e
		JOIN manifests f ON f.kind = 'function' AND f.project = e.project AND f.labels @> e.selector
		WHERE e.follow)
SELECT work_mark(coalesce(array_agg(keys.key), '{}'))
FROM keys LEFT JOIN work w ON w.key = keys.key
WHERE w.key IS NULL OR w.seq = w.done_seq OR (w.attempt = 0 AND w.due_at > clock_timestamp())
