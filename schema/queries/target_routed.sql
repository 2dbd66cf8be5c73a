-- Acknowledging the same release again changes nothing but a rollback that waited for it. What serves is not rejected.
WITH now_routed AS (
	UPDATE releases SET served_at = coalesce(served_at, clock_timestamp()), routed_at = clock_timestamp(), unrouted_at = NULL, rejected_at = NULL,
		rejected_by = NULL
	WHERE id = nullif($3, '')::uuid AND id IS DISTINCT FROM (SELECT routed_release FROM targets WHERE function_id = $1::uuid AND environment = $2)
), unrouted AS (
	UPDATE releases SET unrouted_at = clock_timestamp()
	WHERE id = (SELECT routed_release FROM targets WHERE function_id = $1::uuid AND environment = $2) AND id IS DISTINCT FROM nullif($3, '')::uuid
), deployed AS (
	UPDATE function_deployments SET deployed_at = clock_timestamp()
	WHERE id = (SELECT deployment_id FROM releases WHERE id = nullif($3, '')::uuid) AND deployed_at IS NULL
), done AS (
	UPDATE rollbacks SET state = 'done', finished_at = clock_timestamp()
	WHERE id = (SELECT hold FROM targets WHERE function_id = $1::uuid AND environment = $2) AND state = 'pending' AND id = nullif($4, '')::uuid
)
UPDATE targets t
SET routed_release = nullif($3, '')::uuid, updated_at = clock_timestamp(),
	previous_release = CASE WHEN t.routed_release IS DISTINCT FROM nullif($3, '')::uuid THEN t.routed_release ELSE t.previous_release END,
	routed_at = CASE WHEN t.routed_release IS DISTINCT FROM nullif($3, '')::uuid THEN clock_timestamp() ELSE t.routed_at END
WHERE function_id = $1::uuid AND environment = $2
RETURNING 1
