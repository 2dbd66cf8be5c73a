-- The history of its functions keeps it.
DELETE FROM projects p WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM functions f WHERE f.project = p.name)
