UPDATE collections SET looked_at = clock_timestamp(), registry_at = coalesce(registry_at, clock_timestamp()) WHERE id = $1::bigint RETURNING 1
