-- Images whose blobs stay near: of versions in use or being built, and the bases of runtimes.
SELECT d.image_digest FROM functions f CROSS JOIN LATERAL keepers_of(f.id) AS k JOIN function_deployments d ON d.id = k.deployment_id
WHERE d.image_digest IS NOT NULL
UNION
SELECT split_part(spec->>'base', '@', 2) FROM manifests WHERE kind = 'runtime' AND spec->>'base' LIKE '%@sha256:%'
UNION
SELECT split_part(base, '@', 2) FROM function_deployments WHERE status = 'building' AND base LIKE '%@sha256:%'
