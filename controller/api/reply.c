#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "base/utf8.h"

int error_status(const struct err *e, const json_t *problems)
{
	static const struct {
		enum reason reason;
		int status;
	} special[] = {
		{R_NotFound, 404}, {R_MethodNotAllowed, 405}, {R_OwnedByManifest, 409}, {R_Pinned, 409}, {R_InUse, 409}, {R_TooLarge, 413},
		{R_DigestMismatch, 422}, {R_Unauthenticated, 401},
	};
	if (json_array_size(problems) > 0 && strcmp(e->reason, "OwnedByManifest") != 0)
		return 422;
	if (e->class == INVALID || e->class == DENIED)
		for (size_t i = 0; i < ARRAY_LEN(special); i++)
			if (strcmp(reason_token(special[i].reason), e->reason) == 0)
				return special[i].status;
	switch (e->class) {
	case INVALID: return 400;
	case DENIED: return 403;
	case CONFLICT: return 409;
	case TRANSIENT: return 503;
	case OK:
	case BUG: return 500;
	}
	return 500;
}

static const char *title_of(const char *reason)
{
	for (unsigned i = 0; i < REASON_COUNT; i++)
		if (strcmp(reason_token((enum reason)i), reason) == 0)
			return reason_sentence((enum reason)i);
	return "";
}

json_t *error_json(const struct err *e, int status)
{
	AUTO_FREE char *type = xprintf("/reasons/%s", e->reason);
	json_t *j = json_object();
	json_object_set_new(j, "type", json_string(type));
	json_object_set_new(j, "title", json_string(title_of(e->reason)));
	json_object_set_new(j, "status", json_integer(status));
	json_object_set_new(j, "detail", json_clean(e->msg));
	json_object_set_new(j, "reason", json_string(e->reason));
	json_object_set_new(j, "class", json_string(err_class_name(e->class)));
	json_object_set_new(j, "hint", json_string(reason_hint(e->reason)));
	return j;
}

static void set_reply(struct request *r, int status, struct MHD_Response *reply)
{
	if (r->reply)
		MHD_destroy_response(r->reply);
	r->reply = reply;
	r->status = status;
	reply_header(r, "X-Content-Type-Options", "nosniff");
	reply_header(r, "Cache-Control", "no-store");
}

void reply_header(struct request *r, const char *name, const char *value)
{
	if (MHD_add_response_header(r->reply, name, value) != MHD_YES)
		abort(); /* names and values are ours, so this is memory */
}

static void reply_body(struct request *r, int status, char *body, const char *type)
{
	struct MHD_Response *reply = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);
	if (!reply)
		abort(); /* out of memory */
	set_reply(r, status, reply);
	reply_header(r, "Content-Type", type);
}

void reply_json(struct request *r, int status, json_t *j)
{
	AUTO_JSON json_t *owned = j;
	reply_body(r, status, json_text(owned), "application/json");
}

void reply_text(struct request *r, int status, const char *text) { reply_body(r, status, xstrdup(text), "text/plain; charset=utf-8"); }

void reply_stream(struct request *r, struct MHD_Response *reply) { set_reply(r, 200, reply); }

void reply_error(struct request *r, const struct err *e)
{
	int status = error_status(e, r->problems);
	json_t *j = error_json(e, status);
	if (r->problems)
		json_object_set(j, "problems", r->problems);
	reply_body(r, status, json_text(j), "application/problem+json");
	json_decref(j);
	if (status == 401)
		reply_header(r, "WWW-Authenticate", "Bearer");
	if (status == 503)
		reply_header(r, "Retry-After", "1");
}
