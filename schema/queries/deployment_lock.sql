-- NOWAIT: it is held while the registry deletes its image, and whoever asks holds the function's row.
SELECT status FROM function_deployments WHERE id = $1::uuid FOR UPDATE NOWAIT
