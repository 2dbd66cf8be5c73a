/* The two processes that unpack a layer; see layers.h. */
#ifndef FN_NODE_UNPACK_H
#define FN_NODE_UNPACK_H

#include "node/oci_image.h"

struct unpack_job {
	const char *blobs, *dir; /* the store */
	struct oci_layer layer;
	char hex[DIGEST_HEX]; /* of the diff id: the name to appear */
};

enum { UNPACK_DEADLINE_MS = 180000 };

/* Runs in a forked child. On success the layer is in place and its size on disk, in bytes, on descriptor 1; otherwise one line
 * "<class> <reason> <message>" is there and nothing is left behind. Returns the exit status. */
int unpack_main(const struct unpack_job *job);

/* The error that such a line tells. */
void unpack_error(const char *line, int status, struct err *ret);

#endif
