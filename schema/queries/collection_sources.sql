-- Uploads that are still needed: of builds under way, and those declared that no version has stored yet.
SELECT source_digest FROM function_deployments WHERE status = 'building'
UNION
SELECT m.spec #>> '{source,digest}' FROM manifests m
WHERE m.kind = 'function' AND m.deleted_at IS NULL AND m.spec #>> '{source,digest}' IS NOT NULL AND NOT EXISTS (
	SELECT FROM functions f JOIN function_deployments d ON d.function_id = f.id
	WHERE f.project = m.project AND f.name = m.name AND f.deleted_at IS NULL AND d.source_digest = m.spec #>> '{source,digest}' AND d.s3_key IS NOT NULL)
