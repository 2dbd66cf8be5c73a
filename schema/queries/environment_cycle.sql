WITH RECURSIVE up AS (
	SELECT inherits AS name FROM environments WHERE project = $1 AND name = $2
	UNION SELECT e.inherits FROM environments e JOIN up ON e.name = up.name WHERE e.project = $1)
SELECT 1 FROM up WHERE name = $2
