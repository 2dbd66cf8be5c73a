# PostgreSQL's cluster and the registry's configuration.
# shellcheck shell=bash

# A cluster of its own: a unix socket that only the unprivileged user and root reach, no TCP. Who connects is who its
# process runs as.
make_cluster() {
	local data=$FN_HOME/postgresql
	if [ ! -s "$data/PG_VERSION" ]; then
		step "postgresql: new cluster in $data"
		find "$data" -mindepth 1 -delete
		(cd / && chpst -u postgres "$PG_BIN/initdb" -D "$data" -U postgres -E UTF8 --locale=C.UTF-8 --auth=peer \
			--no-instructions >"$FN_HOME/log/initdb" 2>&1) ||
			{ find "$data" -mindepth 1 -delete; fail "initdb failed: $(tail -n 3 "$FN_HOME/log/initdb")" "see $FN_HOME/log/initdb"; }
		rm -f "$FN_HOME/log/initdb"
	fi
	put "$FN_HOME/etc/postgresql.conf" 644 root:root <<END
listen_addresses = ''
unix_socket_directories = '$FN_HOME/run/postgresql'
hba_file = '$FN_HOME/etc/pg_hba.conf'
ident_file = '$FN_HOME/etc/pg_ident.conf'
max_connections = 64
shared_buffers = 64MB
max_wal_size = 512MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%p %u@%d '
log_checkpoints = off
END
	put "$FN_HOME/etc/pg_hba.conf" 644 root:root <<END
# type  database  user  method
local   all       all   peer map=fn
END
	put "$FN_HOME/etc/pg_ident.conf" 644 root:root <<END
# map  system user  role
fn     postgres     postgres
fn     $FN_USER     fn
fn     root         fn
fn     root         postgres
END
}

as_postgres() { (cd / && chpst -u postgres psql -h "$FN_HOME/run/postgresql" -U postgres -qAtX -v ON_ERROR_STOP=1 "$@"); }

make_database() {
	[ "$(as_postgres -d postgres -c "SELECT 1 FROM pg_roles WHERE rolname = 'fn'")" = 1 ] ||
		as_postgres -d postgres -c 'CREATE ROLE fn LOGIN'
	[ "$(as_postgres -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'fn'")" = 1 ] ||
		as_postgres -d postgres -c 'CREATE DATABASE fn OWNER fn TEMPLATE template0 ENCODING UTF8 LOCALE "C.UTF-8"'
}

# No cache of blob descriptors: it would go on answering for what garbage collection has removed.
make_registry() {
	local file=$FN_HOME/secrets/registry.yml secret
	secret=$(sed -n 's/^  secret: //p' "$file" 2>/dev/null || :)
	put "$file" 640 "root:$FN_USER" <<END
version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: $FN_HOME/registry
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: true
      age: 24h
      interval: 24h
      dryrun: false
http:
  addr: 127.0.0.1:$REGISTRY_PORT
  secret: ${secret:-$(random_hex 32)}
  relativeurls: true
auth:
  htpasswd:
    realm: fn
    path: $FN_HOME/secrets/registry.htpasswd
END
}
