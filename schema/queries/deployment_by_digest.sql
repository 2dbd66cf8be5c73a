-- An archived version can be restored, so it counts.
SELECT * FROM deployment_rows WHERE function_id = $1::uuid AND status IN ('ready', 'archived') AND image_digest = $2 ORDER BY version DESC LIMIT 1
