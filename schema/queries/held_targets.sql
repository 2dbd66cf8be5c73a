SELECT t.environment, k.actor, k.note FROM targets t JOIN rollbacks k ON k.id = t.hold
WHERE t.project = $1 AND t.name = $2 ORDER BY t.environment
