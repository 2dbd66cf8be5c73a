-- Of all functions that have or had this name: the versions something may be due for, the oldest first. $3: which part of them.
SELECT x.id, f.id, x.version, x.status, coalesce(x.due, ''), x.shared, x.whys IS NOT NULL, wall_ms(x.look_again), coalesce(x.rule, ''), x.gone
FROM functions f CROSS JOIN LATERAL fates_of(f.id) AS x
WHERE f.project = $1 AND f.name = $2 AND (x.due IS NOT NULL OR x.status = 'ready' AND x.look_again IS NOT NULL AND x.newest IS NULL)
ORDER BY x.due IS NULL, x.gone DESC, f.id, x.version
LIMIT $3::bigint
