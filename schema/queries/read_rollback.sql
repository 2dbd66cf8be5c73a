-- One, with what its target says now. No row when there is none.
SELECT row_to_json(x) FROM (
	SELECT v.*,
		CASE WHEN k.state = 'superseded' THEN coalesce(
			(SELECT json_build_object('rollback', b.id, 'actor', b.actor, 'version', b.to_version) FROM rollbacks b
				WHERE b.previous = k.id ORDER BY b.created_at LIMIT 1),
			json_build_object('actor', k.lifted_by)) END AS "supersededBy", (
			SELECT json_build_object('status', t.status, 'message', t.message, 'version', d.version, 'release', r.n) FROM targets t
			LEFT JOIN releases r ON r.id = t.routed_release LEFT JOIN function_deployments d ON d.id = r.deployment_id
			WHERE t.function_id = k.function_id AND t.environment = k.environment) AS target
	FROM rollbacks k JOIN functions f ON f.id = k.function_id JOIN rollback_documents v ON v.id = k.id
	WHERE f.project = $1 AND (f.name = $2 OR f.id = as_uuid($2)) AND f.deleted_at IS NULL AND k.id = as_uuid($3)) AS x
