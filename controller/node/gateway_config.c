#include "node/gateway_config.h"

#include <string.h>

/* A refused or unanswered connection is tried again every CONNECT_MS, 1 + RETRIES times: about 5 s for an instance that is
 * being restarted under its address. Nothing but the connection is ever tried twice. */
#define CONNECT_MS "250"
#define RETRIES "19"

enum { RESERVED_FILES = 200, MAXCONN_LEAST = 100, MAXCONN_MOST = 65536 };

int gateway_maxconn(uint64_t open_files)
{
	uint64_t n = open_files > RESERVED_FILES ? (open_files - RESERVED_FILES) / 2 : 0;
	return n < MAXCONN_LEAST ? MAXCONN_LEAST : n > MAXCONN_MOST ? MAXCONN_MOST : (int)n;
}

static const char *escape_dots(const char *domain, struct arena *a)
{
	char *out = arena_alloc(a, 2 * strlen(domain) + 1), *to = out;
	for (const char *s = domain; *s; s++) {
		if (*s == '.')
			*to++ = '\\';
		*to++ = *s;
	}
	return out;
}

/* Errors of the gateway's own, in plain text. */
static const char errors[] =
	"\thttp-error status 400 content-type text/plain string \"fn gateway: the request is malformed\\n\"\n"
	"\thttp-error status 408 content-type text/plain string \"fn gateway: the request did not arrive in time\\n\"\n"
	"\thttp-error status 502 content-type text/plain string \"fn gateway: the function broke off its answer\\n\"\n"
	"\thttp-error status 503 content-type text/plain hdr retry-after 1 string \"fn gateway: no instance of the function accepts connections\\n\"\n"
	"\thttp-error status 504 content-type text/plain string \"fn gateway: the function did not answer within its timeout\\n\"\n";

/* The server timeout counts silence, not the whole answer: a stream goes on as long as something comes within each timeout.
 * After an upgrade (WebSocket) only the tunnel's applies. The client's does not run while the function works. */
static const char defaults[] =
	"defaults\n"
	"\tmode http\n"
	"\ttimeout http-request 10s\n"
	"\ttimeout http-keep-alive 60s\n"
	"\ttimeout client 60s\n"
	"\ttimeout client-fin 30s\n"
	"\ttimeout connect " CONNECT_MS "ms\n"
	"\ttimeout server 30s\n"
	"\ttimeout server-fin 30s\n"
	"\ttimeout tunnel 24h\n"
	"\tretries " RETRIES "\n"
	"\tretry-on conn-failure\n"
	"\thttp-reuse safe\n"
	"\toption http-no-delay\n";

/* hosts.map: name -> release|set|instances|timeout; addresses.map: set#k -> address. Only names below our two domains are
 * looked up, so that "_loaded", which says that the maps are ours, is no host. */
static const char lookup[] =
	"\thttp-request return status 503 content-type text/plain hdr retry-after 1 string \"fn gateway: the routes are not loaded yet\\n\" unless { str(_loaded),map_str(" HOSTS_MAP ") -m found }\n"
	"\thttp-request set-var(txn.route) var(txn.name),map_str(" HOSTS_MAP ") if { var(txn.name) -m found }\n"
	"\thttp-request set-var(txn.shown) 'var(txn.host),regsub(\"[^a-z0-9.-]\",\"?\",g),bytes(0,253)' unless { var(txn.route) -m found }\n"
	"\thttp-request return status 404 content-type text/plain hdr x-content-type-options nosniff lf-string \"fn gateway: no function answers for the host \\\"%[var(txn.shown)]\\\"\\n\" unless { var(txn.route) -m found }\n"
	"\thttp-request set-var(txn.count) var(txn.route),word(3,|)\n"
	"\thttp-request set-var(txn.k) rand(1000000),mod(txn.count)\n"
	"\thttp-request set-var(txn.slot) var(txn.route),word(2,|),concat(\\#,txn.k)\n"
	"\thttp-request set-var(txn.address) var(txn.slot),map_str(" ADDRESSES_MAP ")\n"
	"\thttp-request return status 503 content-type text/plain hdr retry-after 1 string \"fn gateway: no instance of the function runs\\n\" unless { var(txn.address) -m found }\n"
	"\thttp-request track-sc0 var(txn.route),word(1,|) table " RELEASE_TABLE "\n"
	"\thttp-request track-sc1 var(txn.address) table " INSTANCE_TABLE "\n"
	"\thttp-request del-header forwarded\n"
	"\thttp-request set-header x-forwarded-for %[src]\n"
	"\thttp-request set-header x-forwarded-proto http\n"
	"\thttp-request set-header x-forwarded-host %[req.hdr(host)]\n"
	"\tdefault_backend functions\n";

/* Idle connections are dropped soon: programs close theirs after some seconds (node: 5), and the race is lost by a request. */
static const char backends[] =
	"backend functions\n"
	"\thttp-request set-timeout server var(txn.route),word(4,|),add(0)\n"
	"\thttp-request set-dst var(txn.address),word(1,:)\n"
	"\thttp-request set-dst-port var(txn.address),word(2,:)\n"
	"\tserver any 0.0.0.0:0 pool-purge-delay 1s\n"
	"backend " RELEASE_TABLE "\n"
	"\tstick-table type string len 64 size 20k expire 24h store http_req_cnt,http_err_cnt,http_fail_cnt,conn_cur\n"
	"backend " INSTANCE_TABLE "\n"
	"\tstick-table type string len 64 size 20k expire 1h store http_req_cnt,http_err_cnt,http_fail_cnt,conn_cur\n";

char *gateway_config(const struct conf *c, int threads, int maxconn, struct arena *a)
{
	const char *domain = escape_dots(c->domain, a);
	const char *global = arena_printf(a,
					  "global\n"
					  "\tstats socket fd@%d level admin\n"
					  "\tstats timeout 10s\n"
					  "\tuser haproxy\n"
					  "\tgroup haproxy\n"
					  "\tchroot \"%s/gateway/empty\"\n"
					  "\tnbthread %d\n"
					  "\tmaxconn %d\n"
					  "\tno strict-limits\n"
					  "\thard-stop-after 10m\n",
					  GATEWAY_FD_ADMIN, c->home, threads, maxconn);
	const char *front = arena_printf(a,
					 "frontend gateway\n"
					 "\tbind fd@%d\n"
					 "\tbind fd@%d\n"
					 "\thttp-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)\n"
					 "\thttp-request set-var(txn.name) 'var(txn.host),regsub(\"\\.(%s|fn\\.internal)$\",\"\")' "
					 "if { var(txn.host) -m end .%s .fn.internal }\n",
					 GATEWAY_FD_LISTEN, GATEWAY_FD_LINK, domain, c->domain);
	return arena_printf(a, "%s%s%s%s%s%s", global, defaults, errors, front, lookup, backends);
}
