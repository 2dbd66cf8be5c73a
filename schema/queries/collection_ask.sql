INSERT INTO collections (actor) VALUES ($1) RETURNING id
