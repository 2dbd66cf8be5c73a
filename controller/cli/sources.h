/* What -f names: manifest files, and the sources they point at, packed and uploaded. */
#ifndef FN_CLI_SOURCES_H
#define FN_CLI_SOURCES_H

#include "cli/client.h"

/* Reads every -f (a file, a directory's *.yaml and *.yml in name order, or -) and decodes them here first, so that a mistake costs no upload.
 * *ret is the body for /api/apply and /api/plan: {"files":[…],"sources":{…}}; *ret_docs the documents. Problems are printed by fail(). */
enum err_class sources_load(struct cli *c, struct manifests *ret_docs, json_t **ret, struct err *e) MUST_USE;

/* The same of a function's directory: its function.yaml, else the only manifest there that holds a Function. */
enum err_class sources_load_function(struct cli *c, const char *dir, struct manifests *ret_docs, json_t **ret, struct err *e) MUST_USE;

/* Packs each function's source directory (relative to its manifest's file), uploads what the controller lacks and fills "sources". */
enum err_class sources_upload(struct cli *c, const struct manifests *docs, json_t *body, struct err *e) MUST_USE;
/* Packs a directory, without its function.yaml, and uploads it unless it is there. */
enum err_class sources_upload_directory(struct cli *c, const char *dir, const char *function, struct digest *ret, struct err *e) MUST_USE;

#endif
