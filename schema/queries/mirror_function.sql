INSERT INTO functions (project, name, runtime) VALUES ($1, $2, $3)
ON CONFLICT (project, name) WHERE deleted_at IS NULL DO UPDATE SET runtime = EXCLUDED.runtime, updated_at = clock_timestamp()
