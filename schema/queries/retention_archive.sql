UPDATE function_deployments d SET status = 'archived', archived_at = clock_timestamp()
WHERE d.id = $1::uuid AND EXISTS (SELECT FROM fates_of(d.function_id) AS x WHERE x.id = d.id AND x.due = 'archive')
RETURNING 1
