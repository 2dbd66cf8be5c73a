SELECT * FROM deployment_rows WHERE function_id = $1::uuid AND status = 'ready' ORDER BY version DESC LIMIT 1
