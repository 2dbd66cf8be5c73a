UPDATE function_deployments SET deadline_at = clock_timestamp() + $2::bigint * interval '1 millisecond'
WHERE id = $1::uuid AND status = 'building'
RETURNING 1
