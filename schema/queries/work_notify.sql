SELECT pg_notify('fn_work', '')
