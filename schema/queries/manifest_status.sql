WITH want AS (
	SELECT coalesce(jsonb_agg(jsonb_build_object('type', c->>'type', 'status', c->>'status', 'reason', c->>'reason', 'message', c->>'message',
		'lastTransitionTime', coalesce((
			SELECT o->>'lastTransitionTime' FROM jsonb_array_elements(m.conditions) AS o
			WHERE o->>'type' = c->>'type' AND o->>'status' = c->>'status' LIMIT 1), rfc3339(clock_timestamp()))) ORDER BY ord), '[]') AS conditions
	FROM manifests m, jsonb_array_elements($5::jsonb) WITH ORDINALITY AS x(c, ord)
	WHERE m.kind = $1 AND m.project = $2 AND m.name = $3)
UPDATE manifests m SET conditions = want.conditions, observed_generation = $4::bigint FROM want
WHERE m.kind = $1 AND m.project = $2 AND m.name = $3
	AND (m.conditions <> want.conditions OR m.observed_generation <> $4::bigint)
