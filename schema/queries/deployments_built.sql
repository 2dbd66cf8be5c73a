SELECT * FROM deployment_rows WHERE function_id = $1::uuid AND status IN ('ready', 'archived') ORDER BY version DESC LIMIT $2::bigint
