INSERT INTO projects (name, default_environment) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET default_environment = EXCLUDED.default_environment
