/* A function that attacks what runs it: GET /<name> tries it and answers JSON. Static, no library but libc. */
#ifndef FN_TESTS_HOSTILE_ATTACK_H
#define FN_TESTS_HOSTILE_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* One attempt: 0 or more when it succeeded, -1 and errno when it was refused. */
struct attack {
	const char *name;
	long (*run)(void);
};
extern const struct attack attacks[]; /* ends with a NULL name */

/* Writes what they find as one JSON value; query is what follows "?", never NULL. */
void answer_attacks(FILE *out);                    /* every attack: {"mount":"EPERM",…}; "done" is what succeeded */
void answer_connect(FILE *out, const char *query); /* ADDRESS:PORT,…: {"1.2.3.4:80":"timeout"|"open"|errno,…} */
void answer_udp(FILE *out, const char *query);     /* ADDRESS:PORT,…: the same, "answered" when a datagram came back */
void answer_unix(FILE *out, const char *query);    /* PATH,…: the same for stream sockets */
void answer_spoof(FILE *out, const char *query);   /* FROM,TO: DNS query and TCP to TO with FROM's source address and port */
void answer_heard(FILE *out, const char *query);   /* PORT: {"heard":N} datagrams that came to PORT in 1.5 s */
void answer_dns(FILE *out, const char *query);     /* NAME: {"rcode":N,"address":"…"} */
void answer_http(FILE *out, const char *query);    /* ADDRESS:PORT,HOST,PATH: {"status":200,"body":"…"} */
void answer_seen(FILE *out);                       /* what is visible: processes, sockets, devices, descriptors, mounts */
void bomb(FILE *out, const char *kind); /* fork, memory, disk, files, log */

void json_text(FILE *out, const char *text);       /* quoted */
const char *error_name(int error);

#endif
