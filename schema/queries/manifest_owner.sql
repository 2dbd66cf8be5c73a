UPDATE manifests SET owner = $4, source = $5 WHERE kind = $1 AND project = $2 AND name = $3
