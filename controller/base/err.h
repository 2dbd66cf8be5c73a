/* Errors: a class that the engine branches on, a reason token that people look up, and a message.
 *
 * Fallible functions return the class, take `struct err *e` last and write results only on success.
 * Library functions do not log; whoever ends an error's journey does, once. */
#ifndef FN_BASE_ERR_H
#define FN_BASE_ERR_H

#include "base/reason.h"

enum err_class {
	OK = 0,
	TRANSIENT, /* try again with backoff, for ever */
	CONFLICT,  /* a lost race: look again now */
	INVALID,   /* the input is wrong: wait for new input */
	DENIED,    /* not allowed: wait long */
	BUG        /* cannot happen: stall and shout */
};

struct err {
	enum err_class class;
	const char *reason; /* static token from reason.h */
	char msg[512];      /* one sentence; never a secret, never a raw body */
};

#define ERR_INIT { OK, "", "" }
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Sets *e (which may be NULL) and returns class, so that a failing function can end with it. */
enum err_class err_set(struct err *e, enum err_class class, enum reason reason, const char *fmt, ...) PRINTF(4, 5);

/* The same with strerror(errnum) appended. ENOSPC and EDQUOT become DiskFull whatever the reason given. */
enum err_class err_errno(struct err *e, int errnum, enum err_class class, enum reason reason, const char *fmt, ...)
	PRINTF(5, 6);

/* Prefixes the message with "outer: " as the error crosses a layer; returns its class. */
enum err_class err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* For a call whose failure changes nothing for its caller: err_ignore(f(…)); with the reason beside it. */
static inline void err_ignore(enum err_class class) { (void)class; }

/* "transient", "conflict", … as they are stored and printed. */
const char *err_class_name(enum err_class class);

#endif
