-- Acknowledging the same release again changes nothing.
WITH served AS (
	UPDATE releases SET served_at = clock_timestamp() WHERE id = nullif($3, '')::uuid AND served_at IS NULL
), deployed AS (
	UPDATE function_deployments SET deployed_at = clock_timestamp()
	WHERE id = (SELECT deployment_id FROM releases WHERE id = nullif($3, '')::uuid) AND deployed_at IS NULL
)
UPDATE targets t
SET routed_release = nullif($3, '')::uuid, updated_at = clock_timestamp(),
	previous_release = CASE WHEN t.routed_release IS DISTINCT FROM nullif($3, '')::uuid THEN t.routed_release ELSE t.previous_release END,
	routed_at = CASE WHEN t.routed_release IS DISTINCT FROM nullif($3, '')::uuid THEN clock_timestamp() ELSE t.routed_at END
WHERE function_id = $1::uuid AND environment = $2
RETURNING 1
