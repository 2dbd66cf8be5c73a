-- The lock holds off function_lock, so that a function that is just being removed gets no target.
WITH live AS (
	SELECT id FROM functions WHERE id = $1::uuid AND deleted_at IS NULL FOR KEY SHARE
), wanted AS (
	INSERT INTO targets AS t (function_id, project, name, environment, mode, want_version)
	SELECT id, $2, $3, $4, $5, nullif($6::integer, 0) FROM live
	ON CONFLICT (function_id, environment) DO UPDATE SET mode = EXCLUDED.mode, want_version = EXCLUDED.want_version, updated_at = clock_timestamp()
	WHERE (t.mode, t.want_version) IS DISTINCT FROM (EXCLUDED.mode, EXCLUDED.want_version)
)
SELECT 1 FROM live
