SELECT json_build_object('items', coalesce(json_agg(json_build_object(
	'name', i.id, 'function', f.name, 'project', f.project, 'environment', r.environment, 'version', d.version, 'release', r.n, 'releaseId', r.id,
	'slot', i.slot, 'restarts', i.incarnation, 'address', i.address, 'state', i.state, 'reason', i.reason, 'message', i.message,
	'updatedAt', rfc3339(i.updated_at)) ORDER BY f.project, f.name, r.environment, r.n DESC, i.slot), '[]'))
FROM instances i
JOIN releases r ON r.id = i.release_id
JOIN functions f ON f.id = r.function_id
JOIN function_deployments d ON d.id = r.deployment_id
WHERE ($1::text IS NULL OR f.project = $1) AND ($2::text IS NULL OR f.name = $2 OR f.id = as_uuid($2))
	AND ($3::text IS NULL OR r.environment = $3)
