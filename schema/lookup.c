/* Objects by their ids. */
#include "schema/store_private.h"

enum err_class manifest_by_uid(struct store *s, enum kind kind, const char *uid, struct arena *a, bool *ret_found, const char **ret_project, const char **ret_name, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = RUN(s, q_manifest_by_uid, &res, e, kind_info(kind)->singular, uid);
	if (r)
		return r;
	*ret_found = res.rows > 0;
	if (res.rows > 0) {
		*ret_project = take_text(&res, 0, 0, a);
		*ret_name = take_text(&res, 0, 1, a);
	}
	return OK;
}
