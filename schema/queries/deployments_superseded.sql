SELECT * FROM deployment_rows d WHERE function_id = $1::uuid AND status = 'building'
	AND version < (SELECT next_version - 1 FROM functions WHERE id = $1::uuid)
ORDER BY version
