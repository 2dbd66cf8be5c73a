INSERT INTO environments (project, name, inherits, follow, selector) VALUES ($1, $2, $3, $4::boolean, $5::jsonb)
ON CONFLICT (project, name) DO UPDATE SET inherits = EXCLUDED.inherits, follow = EXCLUDED.follow, selector = EXCLUDED.selector
