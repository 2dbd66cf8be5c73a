-- Due only after $2 ms, unless it is due before anyway.
INSERT INTO work AS w (key, due_at) VALUES ($1, clock_timestamp() + $2::bigint * interval '1 millisecond')
ON CONFLICT (key) DO UPDATE SET
	seq = w.seq + 1,
	attempt = 0,
	due_at = CASE WHEN w.seq = w.done_seq THEN EXCLUDED.due_at ELSE least(w.due_at, EXCLUDED.due_at) END
