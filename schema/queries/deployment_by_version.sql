SELECT * FROM deployment_rows WHERE function_id = $1::uuid AND version = $2::integer
