-- Back past what served since: all of that is rejected. Forward to what was rejected: it is not any more.
UPDATE releases r SET rejected_at = CASE WHEN r.id = x.id THEN NULL ELSE clock_timestamp() END
FROM releases x
WHERE x.id = $3::uuid AND r.function_id = $1::uuid AND r.environment = $2
	AND (r.id = x.id AND r.rejected_at IS NOT NULL
		OR x.rejected_at IS NULL AND r.rejected_at IS NULL AND r.routed_at > x.routed_at)
