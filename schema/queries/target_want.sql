INSERT INTO targets AS t (function_id, project, name, environment, mode, want_version)
VALUES ($1::uuid, $2, $3, $4, $5, nullif($6::integer, 0))
ON CONFLICT (function_id, environment) DO UPDATE SET mode = EXCLUDED.mode, want_version = EXCLUDED.want_version, updated_at = clock_timestamp()
WHERE (t.mode, t.want_version) IS DISTINCT FROM (EXCLUDED.mode, EXCLUDED.want_version)
