SELECT id FROM function_deployments WHERE status = 'building'
