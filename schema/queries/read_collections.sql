SELECT coalesce(json_agg(document ORDER BY id DESC), '[]') FROM (SELECT id, document FROM collection_documents ORDER BY id DESC LIMIT 10) AS last
