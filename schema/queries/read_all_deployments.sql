-- Of every function, the newest first; the cursor is the last item's time and id.
WITH page AS (
	SELECT d.*, f.project AS project, f.name AS function_name, row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS i
	FROM function_deployments d JOIN functions f ON f.id = d.function_id
	WHERE ($1::text IS NULL OR f.project = $1) AND f.deleted_at IS NULL
		AND ($2::text IS NULL OR (d.created_at, d.id) < (split_part($2, '_', 1)::timestamptz, split_part($2, '_', 2)::uuid))
	ORDER BY d.created_at DESC, d.id DESC
	LIMIT $3::bigint + 1
), items AS (
	SELECT i, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '_' || id AS cursor, json_build_object(
		'function', function_name, 'project', project, 'id', id, 'version', version, 'status', status, 'reason', reason, 'message', message, 'active', is_active,
		'digest', image_digest, 'image', image_tag, 'size', layer_size, 'sourceDigest', source_digest, 'sourceSize', source_size,
		'runtime', runtime, 'base', base, 'archive', s3_key, 'source', source_kind, 'note', note, 'createdBy', created_by,
		'createdAt', rfc3339(created_at), 'builtAt', rfc3339(built_at), 'deployedAt', rfc3339(deployed_at), 'archivedAt', rfc3339(archived_at),
		'activeIn', (
			SELECT coalesce(json_agg(t.environment ORDER BY t.environment), '[]') FROM targets t
			JOIN releases r ON r.id = t.routed_release WHERE t.function_id = page.function_id AND r.deployment_id = page.id)) AS item
	FROM page)
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $3::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $3::bigint THEN (SELECT cursor FROM items WHERE i = $3::bigint) END)
