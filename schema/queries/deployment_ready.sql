UPDATE function_deployments
SET status = 'ready', s3_key = $2, layer_digest = $3, layer_diff_id = $4, image_tag = $5, image_digest = $6, source_size = $7::bigint,
	layer_size = $8::bigint, reason = '', message = '', deadline_at = NULL, built_at = coalesce(built_at, clock_timestamp())
WHERE id = $1::uuid AND (status = 'building' OR status = 'ready' AND image_digest = $6)
RETURNING 1
