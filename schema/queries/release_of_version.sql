SELECT * FROM release_rows WHERE function_id = $1::uuid AND environment = $2 AND version = $3::integer AND served ORDER BY n DESC LIMIT 1
