WITH declared AS (
	SELECT environment, CASE WHEN bool_or(pinned) THEN 'pin' ELSE 'follow' END AS declared FROM (
		SELECT p.spec->>'environment' AS environment, true AS pinned FROM manifests p
		WHERE p.kind = 'pin' AND p.project = $1 AND p.spec->>'function' = $2 AND p.deleted_at IS NULL
		UNION ALL
		SELECT e.name, false FROM manifests f
		JOIN environments e ON e.project = f.project AND e.follow AND f.labels @> e.selector
		JOIN manifests m ON m.kind = 'environment' AND m.project = e.project AND m.name = e.name AND m.deleted_at IS NULL
		WHERE f.kind = 'function' AND f.project = $1 AND f.name = $2 AND f.deleted_at IS NULL) AS x
	GROUP BY environment
), present AS (
	SELECT t.*, d.version AS serving FROM targets t
	LEFT JOIN releases r ON r.id = t.routed_release
	LEFT JOIN function_deployments d ON d.id = r.deployment_id
	WHERE t.function_id = $3::uuid
)
SELECT environment, coalesce(declared, ''), t.function_id IS NOT NULL, coalesce(t.mode, ''), coalesce(t.status, ''), coalesce(t.message, ''),
	t.want_version, t.serving, t.seen_generation
FROM declared FULL JOIN present t USING (environment)
ORDER BY environment
