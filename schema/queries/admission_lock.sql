-- What is declared is checked and written by one transaction at a time: references hold, cycles cannot close, nothing deadlocks.
SELECT pg_advisory_xact_lock(7300, 2)
