/* sf.h - structured fields (RFC 9651), the part we use: an item that is a
 * string, token, integer or byte sequence, or an inner list of strings, with
 * parameters; and dictionaries of such.
 *
 * Values are views into the field's text, which must outlive them; strings with
 * escapes are refused where a view cannot hold them (none of ours has any).
 */
#ifndef ALTOCAST_WIRE_SF_H
#define ALTOCAST_WIRE_SF_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/rc.h"

#define SF_PARAMS_MAX 16
#define SF_LIST_MAX 32

enum sf_kind { SF_STRING, SF_TOKEN, SF_INTEGER, SF_BYTES, SF_TRUE };

struct sf_value {
	enum sf_kind kind;
	const char *text;	/* STRING: inside the quotes; BYTES: the base64 */
	size_t len;
	int64_t integer;
};

struct sf_param {
	const char *name;
	size_t name_len;
	struct sf_value value;
};

struct sf_bare {		/* a value with its parameters */
	struct sf_value value;
	size_t n_params;
	struct sf_param params[SF_PARAMS_MAX];
};

struct sf_inner {		/* an inner list with its parameters */
	size_t n;
	struct sf_bare items[SF_LIST_MAX];
	size_t n_params;
	struct sf_param params[SF_PARAMS_MAX];
};

/* Whole fields. RC_ESYNTAX: not one, or a value that is none of ours (decimal,
 * date, false, escapes). RC_ELIMIT: over SF_PARAMS_MAX or SF_LIST_MAX. */
MUST_CHECK enum rc sf_read_item(const char *s, size_t len,
                                struct sf_bare *out);
MUST_CHECK enum rc sf_read_inner(const char *s, size_t len,
                                 struct sf_inner *out);
/* The raw text of a dictionary's member (the last when the name repeats), from
 * behind the "=" to its last parameter; other members may hold any type.
 * RC_ENOENT: no such member. RC_ESYNTAX: not a dictionary. */
MUST_CHECK enum rc sf_member(const char *s, size_t len, const char *name,
                             const char **text, size_t *text_len);
/* NULL when there is no such parameter. */
const struct sf_value *sf_param(const struct sf_param *params, size_t n,
                                const char *name);

/* Append the one text of a value (RFC 9651 s4.1). */
void sf_print_item(const struct sf_bare *item, struct buf *dst);
void sf_print_inner(const struct sf_inner *in, struct buf *dst);

#endif
