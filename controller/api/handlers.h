/* The handlers, one file per resource. */
#ifndef FN_API_HANDLERS_H
#define FN_API_HANDLERS_H

#include "api/server.h"

handler_fn get_healthz, get_readyz, get_version;                            /* meta.c */
handler_fn head_upload, put_upload;                                         /* uploads.c */
extern const struct sink upload_sink;
enum err_class uploads_init(struct api *a, struct err *e) MUST_USE;
bool uploads_has(const struct api *a, const struct digest *d);
/* For sinks: a body that goes among the uploads. Named by its digest, or want NULL: an archive; INVALID SourceInvalid as soon as it cannot be one. */
enum err_class upload_begin(struct request *r, const struct digest *want, struct err *e) MUST_USE;
enum err_class upload_write(struct request *r, const void *p, size_t n, struct err *e) MUST_USE;
void upload_close(struct request *r);
/* From the handler: it is there from now on. INVALID DigestMismatch, SourceInvalid. */
enum err_class upload_take(struct request *r, struct digest *ret, struct err *e) MUST_USE;
handler_fn post_deploy;                                                     /* deploy.c */
extern const struct sink deploy_sink;
handler_fn post_apply, post_plan;                                           /* apply.c */
handler_fn list_objects, get_object, delete_object;                         /* objects.c */
handler_fn post_rollback, post_release_hold;                                /* rollback.c */
handler_fn get_deployments, get_deployment, get_all_deployments, get_rollbacks, get_rollback;        /* reads.c */
handler_fn get_history, get_function_targets, get_targets, get_instances, get_work;
/* "http://hello.dev.fn.localhost:7380/": where the gateway answers for it. Only the configuration knows its port and domain. */
json_t *host_url(struct request *r, const char *project, const char *label, const char *environment);
handler_fn get_gc, post_gc, get_gc_run;                                     /* gc.c */
handler_fn get_events;                                                      /* events.c */
handler_fn get_logs;                                                        /* logs.c */

#endif
