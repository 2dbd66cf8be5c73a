# A long history, read a page at a time. Sourced.
# shellcheck shell=bash

# A function with 1000 versions, nearly all archived long ago, as a function that is years old has them; it has no manifest, so that the loop leaves
# it alone.
history_rows() {
	psql "$DATABASE" -qX -v ON_ERROR_STOP=1 <<-'END'
	WITH f AS (
		INSERT INTO functions (project, name, runtime, next_version) VALUES ('default', 'bench-history', 'static', 1001) RETURNING id
	)
	INSERT INTO function_deployments (function_id, version, input_hash, source_digest, source_size, runtime, base, s3_key, layer_digest, layer_diff_id, layer_size,
		image_tag, image_digest, status, spec, created_by, created_at, built_at, deployed_at, archived_at, image_deleted_at)
	SELECT f.id, v, d.digest, d.digest, 4096, 'static', 'scratch', 'functions/' || f.id || '/v' || v || '/function.tar.gz', d.digest, d.digest, 4096,
		'functions/default/bench-history:v' || v, d.digest, CASE WHEN v > 990 THEN 'ready' ELSE 'archived' END, '{}', 'manifest', d.at, d.at, d.at,
		CASE WHEN v > 990 THEN NULL ELSE d.at END, CASE WHEN v > 990 THEN NULL ELSE d.at END
	FROM f, generate_series(1, 1000) AS v
	CROSS JOIN LATERAL (
		SELECT 'sha256:' || encode(sha256(v::text::bytea), 'hex') AS digest, now() - (1000 - v) * interval '1 hour' AS at) AS d;
	ANALYZE function_deployments;
	END
}

# The median of five exchanges on a connection that is open; a sixth opens it.
history_ours() {
	local one=(-o /dev/null 'http://localhost/api/functions/bench-history/deployments?limit=50')
	curl -sS -m 10 --unix-socket "$FN_HOME/run/api.sock" -w '%{http_code} %{num_connects} %{time_total}\n' \
		"${one[@]}" "${one[@]}" "${one[@]}" "${one[@]}" "${one[@]}" "${one[@]}" |
		awk '$1 != 200 || $2 != (NR == 1) { exit bad = 1 } NR > 1 { print $3 * 1000 } END { exit bad }' | median
}

history_page() { # ROUNDS
	local sql
	history_rows
	sql=$(cat "$TOP/schema/queries/read_deployments.sql")
	: >"$WORK/ours" && : >"$WORK/theirs"
	for _ in $(seq "$1"); do
		history_ours >>"$WORK/ours"
		"$WORK/database" "$DATABASE" query "$sql" 5 default bench-history - 50 | median >>"$WORK/theirs"
	done
	figure history.page ms 'the same SQL, prepared, by libpq' "$WORK/ours" "$WORK/theirs"
}
