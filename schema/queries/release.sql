SELECT * FROM release_rows WHERE id = $1::uuid
