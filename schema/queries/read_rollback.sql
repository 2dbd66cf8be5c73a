-- One, with what its target says now. No row when there is none.
WITH page AS (
	SELECT k.* FROM rollbacks k JOIN functions f ON f.id = k.function_id
	WHERE f.project = $1 AND (f.name = $2 OR f.id = as_uuid($2)) AND f.deleted_at IS NULL AND k.id = as_uuid($3)
)
SELECT json_build_object(
		'id', id, 'environment', environment, 'actor', actor, 'note', note, 'fromVersion', from_version,
		'fromRelease', (SELECT n FROM releases WHERE releases.id = page.from_release), 'toVersion', to_version,
		'toRelease', (SELECT n FROM releases WHERE releases.id = page.to_release), 'image', image, 'state', state, 'reason', reason,
		'message', message, 'floor', floor, 'createdAt', rfc3339(created_at), 'finishedAt', rfc3339(finished_at),
		'milliseconds', round(extract(epoch FROM finished_at - created_at) * 1000, 2),
		'holds', EXISTS (
			SELECT FROM targets t WHERE t.function_id = page.function_id AND t.environment = page.environment AND t.hold = page.id), 'liftedAt', rfc3339(lifted_at), 'liftedBy', lifted_by,
		'supersededBy', CASE WHEN state = 'superseded' THEN coalesce(
			(SELECT json_build_object('rollback', b.id, 'actor', b.actor, 'version', b.to_version) FROM rollbacks b
				WHERE b.previous = page.id ORDER BY b.created_at LIMIT 1),
			json_build_object('actor', lifted_by)) END,
		'target', (
			SELECT json_build_object('status', t.status, 'message', t.message, 'version', d.version, 'release', r.n) FROM targets t
			LEFT JOIN releases r ON r.id = t.routed_release LEFT JOIN function_deployments d ON d.id = r.deployment_id
			WHERE t.function_id = page.function_id AND t.environment = page.environment))
FROM page
