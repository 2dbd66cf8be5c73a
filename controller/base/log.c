#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

enum { LINE_MAX_BYTES = 16384 };

static enum log_level threshold = LOG_INFO; /* set once, before threads start */

void log_set_level(enum log_level level) { threshold = level; }

static void add_string(struct buf *b, const char *text)
{
	AUTO_FREE char *s = utf8_clean(text); /* JSON is UTF-8; a program's last words need not be */
	(void)buf_puts(b, "\"");
	for (const unsigned char *c = (const unsigned char *)s; *c; c++) {
		if (*c == '"' || *c == '\\')
			(void)buf_printf(b, "\\%c", *c);
		else if (*c == '\n')
			(void)buf_puts(b, "\\n");
		else if (*c < 0x20 || *c == 0x7f)
			(void)buf_printf(b, "\\u%04x", *c);
		else
			(void)buf_add(b, c, 1);
	}
	(void)buf_puts(b, "\"");
}

/* A pair that does not fit is left out whole, so that the line stays JSON. */
static void add_pair(struct buf *b, const char *key, const char *value)
{
	size_t before = b->len;
	(void)buf_puts(b, ",");
	add_string(b, key);
	(void)buf_puts(b, ":");
	add_string(b, value);
	if (!b->overflow)
		return;
	b->overflow = false;
	b->len = before;
	b->p[before] = '\0';
}

static void start_line(struct buf *b, enum log_level level, const char *msg)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	struct timespec ts;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	struct tm tm;
	(void)gmtime_r(&ts.tv_sec, &tm);
	char when[32];
	(void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)buf_printf(b, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\"", when, ts.tv_nsec / 1000000, names[level]);
	add_pair(b, "msg", msg);
}

static void add_fields(struct buf *b, va_list ap)
{
	for (const char *key; (key = va_arg(ap, const char *)) != NULL;) {
		const char *value = va_arg(ap, const char *);
		if (value)
			add_pair(b, key, value);
	}
}

static void end_line(struct buf *b)
{
	b->max += 2; /* the line's end always fits */
	(void)buf_puts(b, "}\n");
	ssize_t n = write(STDERR_FILENO, b->p, b->len);
	(void)n; /* a log that cannot be written has nobody to tell */
}

void log_event(enum log_level level, const char *msg, ...)
{
	if (level < threshold)
		return;
	AUTO_BUF struct buf b = BUF_INIT(LINE_MAX_BYTES);
	start_line(&b, level, msg);
	va_list ap;
	va_start(ap, msg);
	add_fields(&b, ap);
	va_end(ap);
	end_line(&b);
}

void log_err(enum log_level level, const char *msg, const struct err *e, ...)
{
	if (level < threshold)
		return;
	AUTO_BUF struct buf b = BUF_INIT(LINE_MAX_BYTES);
	start_line(&b, level, msg);
	add_pair(&b, "class", err_class_name(e->class));
	add_pair(&b, "reason", e->reason);
	add_pair(&b, "error", e->msg);
	va_list ap;
	va_start(ap, e);
	add_fields(&b, ap);
	va_end(ap);
	end_line(&b);
}
