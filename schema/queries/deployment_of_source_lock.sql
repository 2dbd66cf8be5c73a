-- NOWAIT: as deployment_lock.
SELECT * FROM deployment_rows WHERE function_id = $1::uuid AND source_digest = $2 AND s3_key IS NOT NULL ORDER BY version DESC LIMIT 1 FOR SHARE NOWAIT
