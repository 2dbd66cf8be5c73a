UPDATE function_deployments SET reason = '', message = '' WHERE status = 'ready' AND reason <> ''
