/* Any value: looked at, skipped, lent whole. */
#include "common/wire/scan.h"

#include <string.h>

#include "common/wire/scan_window.h"

enum rc scan_peek(struct scan *s, enum scan_kind *kind)
{
	switch (scan_look(s)) {
	case '{':
		*kind = SCAN_OBJECT;
		return RC_OK;
	case '[':
		*kind = SCAN_ARRAY;
		return RC_OK;
	case '"':
		*kind = SCAN_STRING;
		return RC_OK;
	case 't':
		*kind = SCAN_TRUE;
		return RC_OK;
	case 'f':
		*kind = SCAN_FALSE;
		return RC_OK;
	case 'n':
		*kind = SCAN_NULL;
		return RC_OK;
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		*kind = SCAN_NUMBER;
		return RC_OK;
	default:
		return scan_expected(s, "a value");
	}
}

static enum rc literal(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	while ((size_t)(s->end - s->p) < n && scan_more(s))
		;
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return scan_fail(s, RC_ESYNTAX, "no value; did you mean %s?",
		                 word);
	s->p += n;
	return RC_OK;
}

enum rc scan_null(struct scan *s)
{
	if (scan_look(s) != 'n')
		return scan_expected(s, "null");
	return literal(s, "null");
}

/* A scalar is taken, a container only opened. */
static enum rc enter(struct scan *s)
{
	enum scan_kind kind;
	const char *text;
	size_t len;
	enum rc rc = scan_peek(s, &kind);

	if (rc != RC_OK)
		return rc;
	switch (kind) {
	case SCAN_OBJECT:
		return scan_object(s);
	case SCAN_ARRAY:
		return scan_array(s);
	case SCAN_STRING:
		return scan_string(s, &text, &len);
	case SCAN_NUMBER:
		return scan_number(s, &text, &len);
	case SCAN_TRUE:
		return literal(s, "true");
	case SCAN_FALSE:
		return literal(s, "false");
	case SCAN_NULL:
		return literal(s, "null");
	}
	return RC_EINVAL;
}

/* On to the next value inside the containers opened above depth; false when
 * they are all closed. */
static enum rc next_inside(struct scan *s, size_t depth, bool *found)
{
	const char *name;
	size_t len;
	enum rc rc = RC_OK;

	*found = false;
	while (rc == RC_OK && s->depth > depth && !*found) {
		if (s->lv->is_array) {
			rc = scan_element(s, found);
		} else {
			rc = scan_member(s, &name, &len);
			*found = rc == RC_OK && name;
		}
	}
	return rc;
}

enum rc scan_skip(struct scan *s)
{
	size_t depth = s->depth;
	bool found = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && found) {
		rc = enter(s);
		if (rc == RC_OK)
			rc = next_inside(s, depth, &found);
	}
	return rc;
}

enum rc scan_raw(struct scan *s, const char **text, size_t *len)
{
	const char *start;
	enum rc rc;

	if (s->window)
		return RC_EINVAL;
	scan_look(s);
	start = s->p;
	rc = scan_skip(s);
	if (rc != RC_OK)
		return rc;
	*text = start;
	*len = (size_t)(s->p - start);
	return RC_OK;
}

enum rc scan_end(struct scan *s)
{
	if (scan_look(s) != 0)
		return scan_expected(s, "the end");
	return s->rc;
}
