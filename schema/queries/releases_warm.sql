SELECT * FROM release_rows WHERE function_id = $1::uuid AND environment = $2
	AND unrouted_at > clock_timestamp() - $4::bigint * interval '1 millisecond'
	AND id IS DISTINCT FROM (SELECT routed_release FROM targets WHERE function_id = $1::uuid AND environment = $2)
ORDER BY unrouted_at DESC LIMIT $3::bigint
