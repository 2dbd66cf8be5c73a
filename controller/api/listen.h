/* The two listening sockets. */
#ifndef FN_API_LISTEN_H
#define FN_API_LISTEN_H

#include <sys/stat.h>

#include "base/mem.h"

/* A socket at path with mode 0660 and this group ((gid_t)-1: the process's own), in place of whatever lay there. It is never open to others, not even
 * for a moment. *ret_st says which file it became. */
enum err_class listen_unix(const char *path, gid_t group, int *ret_fd, struct stat *ret_st, struct err *e) MUST_USE;

/* INVALID InvalidValue when the port is taken or address is not one of this machine. */
enum err_class listen_tcp(const char *address, int port, int *ret_fd, struct err *e) MUST_USE;

#endif
