-- Marks the retention of every function that may have something due.
SELECT work_mark(coalesce(array_agg(concat_ws('/', 'retention', q.project, q.name)), '{}'))
FROM retention_candidates c JOIN retention_rules q ON q.function_id = c.function_id
