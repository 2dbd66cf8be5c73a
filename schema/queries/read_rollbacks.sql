-- The newest first; the cursor is the last item's time and id. No row when there is no such function.
WITH f AS (
	SELECT id FROM functions WHERE project = $1 AND (name = $2 OR id = as_uuid($2)) AND deleted_at IS NULL
	ORDER BY name = $2 DESC LIMIT 1
), page AS (
	SELECT k.*, row_number() OVER (ORDER BY k.created_at DESC, k.id DESC) AS i FROM rollbacks k
	WHERE k.function_id = (SELECT id FROM f)
		AND ($3::text IS NULL OR (k.created_at, k.id) < (split_part($3, '_', 1)::timestamptz, split_part($3, '_', 2)::uuid))
	ORDER BY k.created_at DESC, k.id DESC
	LIMIT $4::bigint + 1
), items AS (
	SELECT i, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '_' || id AS cursor, json_build_object(
		'id', id, 'environment', environment, 'actor', actor, 'note', note, 'fromVersion', from_version,
		'fromRelease', (SELECT n FROM releases WHERE releases.id = page.from_release), 'toVersion', to_version,
		'toRelease', (SELECT n FROM releases WHERE releases.id = page.to_release), 'image', image, 'state', state, 'reason', reason,
		'message', message, 'floor', floor, 'createdAt', rfc3339(created_at), 'finishedAt', rfc3339(finished_at),
		'milliseconds', round(extract(epoch FROM finished_at - created_at) * 1000, 2),
		'holds', EXISTS (
			SELECT FROM targets t WHERE t.function_id = page.function_id AND t.environment = page.environment AND t.hold = page.id), 'liftedAt', rfc3339(lifted_at), 'liftedBy', lifted_by) AS item
	FROM page)
SELECT json_build_object(
	'items', (SELECT coalesce(json_agg(item ORDER BY i) FILTER (WHERE i <= $4::bigint), '[]') FROM items),
	'next', CASE WHEN (SELECT count(*) FROM items) > $4::bigint THEN (SELECT cursor FROM items WHERE i = $4::bigint) END)
FROM f
