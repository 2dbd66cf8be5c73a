WITH written AS (
	UPDATE manifests
	SET labels = $4::jsonb, annotations = $5::jsonb, spec = $6::jsonb, spec_hash = $7, owner = $8, source = $9, actor = $10,
		generation = generation + 1, updated_at = clock_timestamp()
	WHERE kind = $1 AND project = $2 AND name = $3 AND deleted_at IS NULL
	RETURNING uid, generation
), audited AS (
	INSERT INTO audit (actor, action, object, outcome, detail)
	SELECT $10, 'apply', concat_ws('/', $1::text, $2::text, $3::text), 'configured', jsonb_build_object('generation', generation, 'owner', $8::text, 'source', $9::text)
	FROM written
)
SELECT uid, generation FROM written
