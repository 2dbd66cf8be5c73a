SELECT json_build_object('items', coalesce(json_agg(item ORDER BY project, name, environment), '[]'))
FROM (
	SELECT t.project, t.name, t.environment, json_build_object(
		'function', t.name, 'functionId', t.function_id, 'project', t.project, 'environment', t.environment, 'mode', t.mode,
		'wantedVersion', t.want_version, 'version', d.version, 'release', r.n, 'releaseId', r.id, 'digest', d.image_digest,
		'serving', r.id IS NOT NULL, 'switching', t.active_release IS DISTINCT FROM t.routed_release,
		'status', t.status, 'message', t.message, 'held', k.id IS NOT NULL, 'heldBy', k.actor, 'holdNote', k.note, 'floor', t.floor, 'rollback', k.id,
		'failedReleaseId', t.failed_release, 'failedReason', nullif(t.failed_reason, ''), 'failedMessage', nullif(t.failed_message, ''),
		'routedAt', rfc3339(t.routed_at), 'updatedAt', rfc3339(t.updated_at),
		'pending', w.key IS NOT NULL,
		'instances', (
			SELECT coalesce(json_agg(json_build_object(
				'name', i.id, 'release', ir.n, 'slot', i.slot, 'restarts', i.incarnation, 'address', i.address, 'state', i.state,
				'reason', i.reason, 'message', i.message) ORDER BY ir.n DESC, i.slot), '[]')
			FROM instances i JOIN releases ir ON ir.id = i.release_id
			WHERE i.function_id = t.function_id AND ir.environment = t.environment)) AS item
	FROM targets t
	LEFT JOIN releases r ON r.id = t.routed_release
	LEFT JOIN function_deployments d ON d.id = r.deployment_id
	LEFT JOIN rollbacks k ON k.id = t.hold
	-- pending: something happened that the status does not tell of yet
	LEFT JOIN work w ON w.key = 'target/' || t.project || '/' || t.name || '/' || t.environment AND w.seq <> w.done_seq
		AND (w.due_at <= clock_timestamp() OR w.lease_until > clock_timestamp())
	WHERE ($1::text IS NULL OR t.project = $1) AND ($2::text IS NULL OR t.name = $2 OR t.function_id = as_uuid($2))
		AND ($3::text IS NULL OR t.environment = $3)) AS x
