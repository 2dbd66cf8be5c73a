SELECT id, status, next_version FROM functions WHERE project = $1 AND name = $2 AND deleted_at IS NULL FOR NO KEY UPDATE
