WITH mine AS (SELECT key FROM work WHERE lease_owner = $1 ORDER BY key FOR NO KEY UPDATE)
UPDATE work SET lease_owner = NULL, lease_until = NULL WHERE key IN (SELECT key FROM mine)
