-- What is newer and served is rejected, by version first; of a rollback that named no version ($4) also what it walks away from. What it goes to is not,
-- any more.
WITH numbered AS (
	SELECT r.id, d.version, r.n, r.routed_at, r.rejected_at FROM releases r JOIN function_deployments d ON d.id = r.deployment_id
	WHERE r.function_id = $1::uuid AND r.environment = $2 AND (r.routed_at IS NOT NULL OR r.id = $3::uuid)
), rejected AS (
	SELECT r.id FROM numbered r JOIN numbered x ON x.id = $3::uuid
	WHERE r.id <> x.id AND r.rejected_at IS NULL AND ((r.version, r.n) > (x.version, x.n) OR r.id = $4::uuid)
)
UPDATE releases r
SET rejected_at = CASE WHEN r.id = $3::uuid THEN NULL ELSE clock_timestamp() END, rejected_by = CASE WHEN r.id = $3::uuid THEN NULL ELSE $5::uuid END
WHERE r.id IN (SELECT id FROM rejected) OR r.id = $3::uuid AND r.rejected_at IS NOT NULL
