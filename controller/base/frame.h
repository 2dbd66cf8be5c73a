/* Messages on the node's unix socket: a 4-byte big-endian length, then one JSON object. At most FRAME_MAX bytes. */
#ifndef FN_BASE_FRAME_H
#define FN_BASE_FRAME_H

#include "base/json.h"

enum { FRAME_MAX = 8 << 20 };

/* Appends one frame to *out. INVALID TooLarge beyond FRAME_MAX. */
enum err_class frame_put(struct buf *out, const json_t *msg, struct err *e) MUST_USE;

/* Takes one whole frame from the front of *in: *ret is a new reference, or NULL when more bytes are needed.
 * INVALID on an oversized length or bad JSON: the connection is of no more use. */
enum err_class frame_take(struct buf *in, json_t **ret, struct err *e) MUST_USE;

/* Blocking send and receive with a deadline in milliseconds on a connected socket. TRANSIENT NodeUnavailable on
 * end of file or an error, TRANSIENT Timeout past the deadline. */
enum err_class frame_send(int fd, const json_t *msg, int64_t deadline_ms, struct err *e) MUST_USE;
enum err_class frame_recv(int fd, struct buf *in, int64_t deadline_ms, json_t **ret, struct err *e) MUST_USE;

#endif
