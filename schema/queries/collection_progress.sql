-- How many retentions are at work, one that fails, and whether images were deleted since the registry was last collected.
WITH working AS (
	SELECT * FROM work WHERE key LIKE 'retention/%' AND seq <> done_seq AND (due_at <= clock_timestamp() OR lease_until > clock_timestamp() OR attempt > 0)
)
SELECT (SELECT count(*) FROM working), failing.what, failing.last_reason,
	EXISTS (SELECT FROM function_deployments WHERE image_deleted_at > registry_collected())
FROM (SELECT) AS one
LEFT JOIN (SELECT key || ': ' || last_message AS what, last_reason FROM working WHERE attempt > 0 ORDER BY key LIMIT 1) AS failing ON true
