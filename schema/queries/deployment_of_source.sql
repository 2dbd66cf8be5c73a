-- The newest version of the function whose stored archive is this source.
SELECT * FROM deployment_rows WHERE function_id = $1::uuid AND source_digest = $2 AND s3_key IS NOT NULL ORDER BY version DESC LIMIT 1
