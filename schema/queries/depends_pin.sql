-- $3, $4: what it binds; $5, $6: what it bound before, or NULL.
SELECT work_mark(ARRAY(
	SELECT concat_ws('/', 'pin', $1::text, $2::text)
	UNION SELECT concat_ws('/', 'target', $1::text, $3::text, $4::text)
	UNION SELECT concat_ws('/', 'target', $1::text, $5::text, $6::text) WHERE $5::text IS NOT NULL))
