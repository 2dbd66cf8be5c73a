SELECT status FROM function_deployments WHERE id = $1::uuid FOR SHARE
