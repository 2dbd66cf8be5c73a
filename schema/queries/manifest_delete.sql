WITH going AS (
	UPDATE manifests SET deleted_at = clock_timestamp(), actor = $4
	WHERE kind = $1 AND project = $2 AND name = $3 AND deleted_at IS NULL
	RETURNING generation
)
INSERT INTO audit (actor, action, object, outcome, detail)
SELECT $4, 'delete', concat_ws('/', $1::text, $2::text, $3::text), 'accepted', jsonb_build_object('generation', generation) FROM going
