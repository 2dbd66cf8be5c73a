SELECT uid, spec_hash, owner, source, generation, deleted_at IS NOT NULL, spec->>'function', spec->>'environment'
FROM manifests WHERE kind = $1 AND project = $2 AND name = $3
