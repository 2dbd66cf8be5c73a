-- By name, or a function by its id. No row: {"items":[]}.
SELECT json_build_object('items', coalesce(json_agg(document), '[]'), 'next', NULL)
FROM (
	SELECT document FROM manifest_documents
	WHERE kind = $1 AND name = $3 AND ($2::text IS NULL OR project = $2)
	UNION ALL
	SELECT document FROM manifest_documents d
	WHERE $1 = 'function' AND kind = 'function' AND function_id = as_uuid($3) AND ($2::text IS NULL OR project = $2)
		AND NOT EXISTS (SELECT 1 FROM manifests WHERE kind = 'function' AND project = d.project AND name = $3)) AS found
