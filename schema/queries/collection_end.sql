-- Those that were asked for together end together.
WITH began AS (
	SELECT min(asked_at) AS at FROM collections WHERE finished_at IS NULL AND started_at IS NOT NULL
), pruned AS (
	SELECT jsonb_build_object(
		'versions', (SELECT count(*) FROM function_deployments, began WHERE archived_at >= began.at),
		'images', (SELECT count(*) FROM function_deployments, began WHERE image_deleted_at >= began.at),
		'archives', (SELECT count(*) FROM function_deployments, began WHERE archive_deleted_at >= began.at)) AS counts
)
UPDATE collections c SET finished_at = clock_timestamp(), reason = $2, message = $3, registry_at = one.registry_at,
	result = one.result || pruned.counts
FROM collections one, pruned
WHERE one.id = $1::bigint AND c.finished_at IS NULL AND c.started_at IS NOT NULL
