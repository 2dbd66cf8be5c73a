-- What served last and was not rejected.
SELECT * FROM release_rows WHERE function_id = $1::uuid AND environment = $2 AND routed_at IS NOT NULL AND NOT rejected
	AND id IS DISTINCT FROM nullif($3, '')::uuid
ORDER BY routed_at DESC LIMIT 1
