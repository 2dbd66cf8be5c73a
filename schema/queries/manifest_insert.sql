WITH written AS (
	INSERT INTO manifests (kind, project, name, labels, annotations, spec, spec_hash, owner, source, actor)
	VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6::jsonb, $7, $8, $9, $10)
	RETURNING uid, generation
), audited AS (
	INSERT INTO audit (actor, action, object, outcome, detail)
	SELECT $10, 'apply', concat_ws('/', $1::text, $2::text, $3::text), 'created', jsonb_build_object('generation', generation, 'owner', $8::text, 'source', $9::text)
	FROM written
)
SELECT uid, generation FROM written
