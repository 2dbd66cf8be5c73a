WITH numbered AS (
	UPDATE functions SET next_version = next_version + 1, updated_at = clock_timestamp()
	WHERE id = $1::uuid AND deleted_at IS NULL AND ($11::integer = 0 OR next_version = $11::integer)
	RETURNING id, next_version - 1 AS version
)
INSERT INTO function_deployments (function_id, version, input_hash, source_digest, runtime, base, created_by, source_kind, spec, deadline_at, note)
SELECT id, version, $2, $3, $4, $5, $6, $7, $8::jsonb, clock_timestamp() + $9::bigint * interval '1 millisecond', $10 FROM numbered
RETURNING id, version
