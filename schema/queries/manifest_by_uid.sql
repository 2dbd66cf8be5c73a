SELECT project, name FROM (
	SELECT project, name, 1 AS rank FROM functions WHERE $1 = 'function' AND id = $2::uuid AND deleted_at IS NULL
	UNION ALL
	SELECT project, name, 2 FROM manifests WHERE kind = $1 AND uid = $2::uuid) AS found
ORDER BY rank LIMIT 1
