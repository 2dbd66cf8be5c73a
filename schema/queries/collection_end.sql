-- Those that were asked for together end together. images: those whose bytes the registry's collection freed.
WITH began AS (
	SELECT min(asked_at) AS at FROM collections WHERE finished_at IS NULL AND started_at IS NOT NULL
)
UPDATE collections c SET finished_at = clock_timestamp(), reason = $2, message = $3, registry_at = one.registry_at,
	result = one.result || jsonb_build_object(
		'versions', (SELECT count(*) FROM function_deployments WHERE archived_at >= began.at),
		'archives', (SELECT count(*) FROM function_deployments WHERE archive_deleted_at >= began.at),
		'images', (SELECT count(*) FROM function_deployments
			WHERE one.result->'registry'->>'state' = 'done' AND image_deleted_at > registry_collected() AND image_deleted_at <= one.registry_at))
FROM collections one, began
WHERE one.id = $1::bigint AND c.finished_at IS NULL AND c.started_at IS NOT NULL
