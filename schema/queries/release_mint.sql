-- Two at once: the number is unique, so one of them is told of a conflict.
WITH same AS (
	SELECT id, n FROM releases WHERE function_id = $1::uuid AND environment = $2 AND deployment_id = $3::uuid AND config_hash = $4
	ORDER BY n DESC LIMIT 1
), minted AS (
	INSERT INTO releases (function_id, environment, n, deployment_id, config_hash, tuple, created_by)
	SELECT $1::uuid, $2, coalesce((SELECT max(n) FROM releases WHERE function_id = $1::uuid AND environment = $2), 0) + 1, $3::uuid, $4, $5::jsonb, $6
	WHERE NOT EXISTS (SELECT 1 FROM same)
	RETURNING id, n
)
SELECT id, n FROM same UNION ALL SELECT id, n FROM minted
