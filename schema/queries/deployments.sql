SELECT * FROM deployment_rows WHERE function_id = $1::uuid ORDER BY version DESC LIMIT $2::bigint
