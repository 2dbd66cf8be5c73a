-- The functions that serve in an environment by declaration, or still have a target there.
WITH declared AS (
	SELECT name FROM (
		SELECT p.spec->>'function' AS name FROM manifests p
		WHERE p.kind = 'pin' AND p.project = $1 AND p.spec->>'environment' = $2 AND p.deleted_at IS NULL
		UNION
		SELECT f.name FROM environments e
		JOIN manifests f ON f.kind = 'function' AND f.project = e.project AND f.labels @> e.selector AND f.deleted_at IS NULL
		WHERE e.project = $1 AND e.name = $2 AND e.follow) AS x
), present AS (
	SELECT name, status, message, seen_environment FROM targets WHERE project = $1 AND environment = $2
)
SELECT name, present.status IS NOT NULL, coalesce(present.status, ''), coalesce(present.message, ''), coalesce(seen_environment, 0)
FROM declared FULL JOIN present USING (name)
ORDER BY name
