SELECT CASE WHEN due <= clock_timestamp() THEN 0 ELSE ceil(extract(epoch FROM due - clock_timestamp()) * 1000)::bigint END
FROM (SELECT min(greatest(due_at, lease_until)) AS due FROM work WHERE seq <> done_seq) AS next
