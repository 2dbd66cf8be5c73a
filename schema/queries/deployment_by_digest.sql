SELECT * FROM deployment_rows WHERE function_id = $1::uuid AND status = 'ready' AND image_digest = $2 ORDER BY version DESC LIMIT 1
