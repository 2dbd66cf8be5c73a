-- Newer releases that served are rejected; of a rollback that named no version ($4) also what it walks away from. What it goes to is not, any more.
UPDATE releases r SET rejected_at = CASE WHEN r.id = x.id THEN NULL ELSE clock_timestamp() END
FROM releases x
WHERE x.id = $3::uuid AND r.function_id = $1::uuid AND r.environment = $2
	AND (r.id = x.id AND r.rejected_at IS NOT NULL
		OR r.id <> x.id AND r.rejected_at IS NULL AND r.routed_at IS NOT NULL AND (r.n > x.n OR r.id = $4::uuid))
