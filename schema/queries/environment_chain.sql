WITH RECURSIVE up AS (
	SELECT name, inherits, 1 AS depth FROM environments WHERE project = $1 AND name = $2
	UNION ALL SELECT e.name, e.inherits, up.depth + 1 FROM environments e JOIN up ON e.name = up.inherits WHERE e.project = $1 AND up.depth < 100)
SELECT m.* FROM up JOIN manifest_rows m ON m.kind = 'environment' AND m.project = $1 AND m.name = up.name
ORDER BY up.depth
