-- Newest first; the cursor is the last item's version. No row when there is no such function.
WITH f AS (
	SELECT id, project, name FROM functions WHERE project = $1 AND (name = $2 OR id = as_uuid($2)) AND deleted_at IS NULL
	ORDER BY name = $2 DESC LIMIT 1
), page AS (
	SELECT d.*, row_number() OVER (ORDER BY version DESC) AS i FROM function_deployments d
	WHERE function_id = (SELECT id FROM f) AND ($3::text IS NULL OR version < $3::bigint)
	ORDER BY version DESC
	LIMIT $4::bigint + 1
), items AS (
	SELECT i, version, json_build_object(
		'function', (SELECT name FROM f), 'project', (SELECT project FROM f), 'id', id, 'version', version, 'status', status, 'reason', reason, 'message', message, 'active', is_active,
		'digest', image_digest, 'image', image_tag, 'size', layer_size, 'sourceDigest', source_digest, 'sourceSize', source_size,
		'runtime', runtime, 'base', base, 'archive', s3_key, 'source', source_kind, 'note', note, 'createdBy', created_by,
		'createdAt', rfc3339(created_at), 'builtAt', rfc3339(built_at), 'deployedAt', rfc3339(deployed_at), 'archivedAt', rfc3339(archived_at),
		'activeIn', (
			SELECT coalesce(json_agg(t.environment ORDER BY t.environment), '[]') FROM targets t
			JOIN releases r ON r.id = t.routed_release WHERE t.function_id = page.function_id AND r.deployment_id = page.id)) AS item
	FROM page)
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $4::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $4::bigint THEN (SELECT version::text FROM items WHERE i = $4::bigint) END)
FROM f
