SELECT m.* FROM manifest_rows m JOIN manifests p USING (kind, project, name)
WHERE p.kind = 'pin' AND p.project = $1 AND p.spec->>'function' = $2 AND p.spec->>'environment' = $3 AND p.deleted_at IS NULL
ORDER BY p.name LIMIT 1
