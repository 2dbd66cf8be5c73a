#include "base/note.h"

#include <string.h>

#include "base/utf8.h"

/* C0 and DEL, and C1 as UTF-8 has it: a line break begins a row that nobody wrote, ESC commands a terminal. */
static bool has_controls(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if (*p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
			return true;
	return false;
}

enum err_class note_check(const char *note, const char *what, enum reason reason, enum reason too_long, struct err *e)
{
	if (strlen(note) > NOTE_MAX)
		return err_set(e, INVALID, too_long, "%s has more than %d bytes", what, NOTE_MAX);
	if (!utf8_valid(note))
		return err_set(e, INVALID, reason, "%s is not valid UTF-8", what);
	if (has_controls(note))
		return err_set(e, INVALID, reason, "%s has control characters: it is one line of text, without line breaks and tabs", what);
	return OK;
}
