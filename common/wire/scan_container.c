/* Objects and arrays, and the names in them. */
#include "common/wire/scan.h"

#include <string.h>

#include "common/wire/scan_text.h"
#include "common/wire/scan_window.h"

static enum rc push(struct scan *s, bool is_array)
{
	struct scan_level *lv;

	if (s->depth == SCAN_DEPTH_MAX)
		return scan_fail(s, RC_ELIMIT, "nested deeper than %d",
		                 SCAN_DEPTH_MAX);
	s->p++;
	s->depth++;
	lv = s->lv = &s->level[s->depth];
	lv->is_array = is_array;
	lv->elements = 0;
	lv->name = NULL;
	lv->len = 0;
	s->first = true;
	return RC_OK;
}

static void pop(struct scan *s)
{
	s->p++;
	s->depth--;
	s->lv = &s->level[s->depth];
	s->first = false;
}

enum rc scan_object(struct scan *s)
{
	if (scan_look(s) != '{')
		return scan_expected(s, "an object");
	return push(s, false);
}

enum rc scan_array(struct scan *s)
{
	if (scan_look(s) != '[')
		return scan_expected(s, "an array");
	return push(s, true);
}

/* The name as the JSON pointer shows it: lent while it stands in the window. */
static void set_name(struct scan *s, const char *name, size_t len)
{
	s->lv->name = name;
	s->lv->len = len;
	if (name == s->scratch)
		scan_keep_name(s->lv);
}

/* A name and its colon are apart, and looking for the colon may move the
 * window: the name goes into the scratch. */
static enum rc find_colon(struct scan *s, const char **name, size_t len)
{
	enum rc rc;

	if (*name != s->scratch) {
		rc = scan_scratch(s);
		if (rc != RC_OK)
			return rc;
		memcpy(s->scratch, *name, len);
		*name = s->scratch;
	}
	if (scan_look(s) != ':')
		return scan_expected(s, "\":\" after a name");
	return RC_OK;
}

static enum rc member_slow(struct scan *s, const char **name, size_t *len)
{
	unsigned char c = scan_look(s);
	const char *text;
	size_t n;
	enum rc rc;

	if (c == '}') {
		pop(s);
		*name = NULL;
		*len = 0;
		return RC_OK;
	}
	if (!s->first) {
		if (c != ',')
			return scan_expected(s, "\",\" or \"}\"");
		s->p++;
		c = scan_look(s);
	}
	if (c != '"')
		return scan_expected(s, s->first ? "a name or \"}\"" :
		                     "a name");
	rc = scan_string(s, &text, &n);
	if (rc != RC_OK)
		return rc;
	s->first = false;
	set_name(s, text, n);
	if (s->p == s->end || *s->p != ':') {
		rc = find_colon(s, &text, n);
		if (rc != RC_OK)
			return rc;
	}
	s->p++;
	*name = text;
	*len = n;
	return RC_OK;
}

/* The common spellings ,"name": and , "name": need one pass over the name and
 * nothing else. Where a name is as long as the one before, which is the first
 * guess, the processor need not wait for that pass to go on. */
enum rc scan_member(struct scan *s, const char **name, size_t *len)
{
	struct scan_level *lv = s->lv;
	const char *p = s->p, *q;

	if (s->end - p < 16)
		return member_slow(s, name, len);
	if (!s->first) {
		if (*p++ != ',')
			return member_slow(s, name, len);
		if (*p == ' ')
			p++;
	}
	if (*p++ != '"')
		return member_slow(s, name, len);
	if ((size_t)(s->end - p) >= lv->len + 8 && p[lv->len] == '"' &&
	    scan_text_plain(p, lv->len))
		q = p + lv->len;
	else
		q = scan_text_special(p, s->end);
	if (s->end - q < 3 || q[0] != '"' || q[1] != ':' ||
	    (size_t)(q - p) > SCAN_TOKEN_MAX)
		return member_slow(s, name, len);
	s->first = false;
	lv->name = *name = p;
	*len = (size_t)(q - p);
	if (lv->len != *len)
		lv->len = *len;
	s->p = q + 2;
	if (q[2] == ' ')
		s->p = q + 3;
	return RC_OK;
}

const char *scan_ahead(const struct scan *s, size_t *len)
{
	*len = s->first ? 0 : (size_t)(s->end - s->p);
	return s->p;
}

void scan_pass(struct scan *s, size_t n, const char *name, size_t name_len)
{
	s->p += n;
	s->lv->name = name;
	s->lv->len = name_len;
}

enum rc scan_element(struct scan *s, bool *more_values)
{
	unsigned char c;

	if (s->end - s->p > 1 && *s->p == ',' && !s->first) {
		s->p += s->p[1] == ' ' ? 2 : 1;
		s->lv->elements++;
		*more_values = true;
		return RC_OK;
	}
	c = scan_look(s);
	if (c == ']') {
		pop(s);
		*more_values = false;
		return RC_OK;
	}
	if (!s->first && c != ',')
		return scan_expected(s, "\",\" or \"]\"");
	if (!c)
		return scan_expected(s, "a value or \"]\"");
	s->p += !s->first;
	s->first = false;
	s->lv->elements++;
	*more_values = true;
	return RC_OK;
}
