SELECT * FROM release_rows WHERE function_id = $1::uuid AND environment = $2 ORDER BY n DESC LIMIT $3::bigint
