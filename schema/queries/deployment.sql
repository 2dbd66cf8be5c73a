SELECT * FROM deployment_rows WHERE id = $1::uuid
