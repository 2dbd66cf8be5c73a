WITH newest AS (
	SELECT status FROM function_deployments WHERE function_id = $1::uuid ORDER BY version DESC LIMIT 1
), target AS (
	SELECT r.deployment_id, t.failed_release
	FROM functions f
	JOIN projects p ON p.name = f.project
	JOIN targets t ON t.function_id = f.id AND t.environment = p.default_environment
	LEFT JOIN releases r ON r.id = t.routed_release
	WHERE f.id = $1::uuid
), want AS (
	SELECT (SELECT deployment_id FROM target) AS active,
		CASE WHEN (SELECT status FROM newest) = 'building' THEN 'building'
			WHEN (SELECT deployment_id FROM target) IS NOT NULL THEN 'active'
			WHEN (SELECT status FROM newest) = 'failed' OR (SELECT failed_release FROM target) IS NOT NULL THEN 'failed'
			ELSE 'inactive' END AS status
), marked AS (
	UPDATE function_deployments d SET is_active = d.id IS NOT DISTINCT FROM want.active FROM want
	WHERE d.function_id = $1::uuid AND d.is_active <> (d.id IS NOT DISTINCT FROM want.active)
)
UPDATE functions f SET status = want.status, active_deployment_id = want.active, updated_at = clock_timestamp() FROM want
WHERE f.id = $1::uuid AND f.deleted_at IS NULL
	AND (f.status, f.active_deployment_id) IS DISTINCT FROM (want.status, want.active)
