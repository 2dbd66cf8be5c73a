SELECT count(*) FROM instances WHERE release_id = $1::uuid AND state = 'ready'
