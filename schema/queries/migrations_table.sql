CREATE TABLE IF NOT EXISTS schema_migrations (
	number     integer PRIMARY KEY,
	name       text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
