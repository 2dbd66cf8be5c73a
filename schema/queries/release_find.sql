SELECT * FROM release_rows WHERE function_id = $1::uuid AND environment = $2 AND deployment_id = $3::uuid AND config_hash = $4 ORDER BY n DESC LIMIT 1
