SELECT ceil(extract(epoch FROM greatest(min(greatest(due_at, lease_until)) - clock_timestamp(), interval '0')) * 1000)::bigint
FROM work WHERE seq <> done_seq
