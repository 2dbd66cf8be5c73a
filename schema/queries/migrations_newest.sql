SELECT max(number) FROM schema_migrations
