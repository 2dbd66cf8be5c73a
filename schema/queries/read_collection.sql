SELECT document FROM collection_documents WHERE id = $1::bigint
