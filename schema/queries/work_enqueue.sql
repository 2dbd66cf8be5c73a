SELECT work_mark(ARRAY[$1::text])
