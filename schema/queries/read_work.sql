SELECT json_build_object('items', coalesce(json_agg(json_build_object(
	'key', key, 'dirty', seq <> done_seq, 'dueAt', rfc3339(due_at), 'attempt', attempt, 'reason', last_reason, 'message', last_message,
	'owner', lease_owner, 'leaseUntil', rfc3339(lease_until)) ORDER BY due_at, key), '[]'))
-- the collection's next time is no news
FROM (SELECT * FROM work WHERE seq <> done_seq AND NOT (key = 'collection/default/all' AND attempt = 0 AND due_at > clock_timestamp())
	ORDER BY due_at LIMIT 1000) AS w
