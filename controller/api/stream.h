/* Server-sent events: a reply that goes on until the client leaves or the API stops. */
#ifndef FN_API_STREAM_H
#define FN_API_STREAM_H

#include "api/server.h"

struct stream {
	struct api *api;
	struct arena arena; /* the stream's own: the request's goes with the request */
	int64_t poll_ms;

	/* Appends what is new to *out, if anything. An error is sent as an event "problem", once until it goes away; the stream lasts. */
	enum err_class (*poll)(struct stream *s, struct buf *out, struct err *e);
	void (*release)(struct stream *s); /* what poll holds beyond the arena; may be NULL */
	void *state;                       /* poll's */

	/* stream.c's */
	struct buf out;
	size_t sent;
	int fd;
	bool failing;
	int64_t last_ms; /* when something was last appended */
};

/* A stream without poll and release yet. TRANSIENT OutOfResources when there are API_STREAMS of them already. */
enum err_class stream_new(struct request *r, struct stream **ret, struct err *e) MUST_USE;
/* Makes it the reply; the stream then ends by itself. A HEAD request gets the headers only. */
void stream_reply(struct request *r, struct stream *s);

/* Waits until the streams have said goodbye, which they do once a->stopping is set and a->stop_fd readable; whole seconds at most. */
void streams_wait(struct api *a, int64_t ms);

/* One event: id (NULL: none), event (NULL: the default), data as compact JSON. */
void stream_put(struct buf *out, const char *id, const char *event, const json_t *data);

#endif
