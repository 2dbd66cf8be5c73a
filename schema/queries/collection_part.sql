UPDATE collections SET result = result || jsonb_build_object($2::text, $3::jsonb) WHERE id = $1::bigint AND finished_at IS NULL RETURNING 1
