UPDATE function_deployments
SET layer_digest = $2, layer_diff_id = $3, image_tag = $4, image_digest = $5, layer_size = $6::bigint
WHERE id = $1::uuid AND status = 'building'
RETURNING 1
