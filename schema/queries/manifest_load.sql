SELECT * FROM manifest_rows WHERE kind = $1 AND project = $2 AND name = $3
