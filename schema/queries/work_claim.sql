-- FOR UPDATE also passes over keys held FOR KEY SHARE: a fenced transaction that is still under way after its lease ran out.
UPDATE work
SET lease_owner = $1, lease_until = clock_timestamp() + $2::bigint * interval '1 millisecond', epoch = epoch + 1
WHERE key = (
	SELECT key FROM work
	WHERE seq <> done_seq AND due_at <= clock_timestamp() AND (lease_until IS NULL OR lease_until < clock_timestamp())
	ORDER BY due_at
	LIMIT 1
	FOR UPDATE SKIP LOCKED)
RETURNING key, epoch, seq, attempt
