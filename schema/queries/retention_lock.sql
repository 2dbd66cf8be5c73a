-- In a statement of its own: the next one sees what whoever held the row has committed.
SELECT 1 FROM function_deployments WHERE id = $1::uuid FOR UPDATE
