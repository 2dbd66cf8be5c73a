UPDATE function_deployments d SET s3_key = NULL
WHERE d.id = $1::uuid AND EXISTS (SELECT FROM fates_of(d.function_id) AS x WHERE x.id = d.id AND x.due = 'drop-archive')
RETURNING 1
