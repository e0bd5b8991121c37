/* ask_part.h - what the readers of a request have in common (ask_json.h).
 *
 * All that refuses fills *why and returns RC_ERULE; the first refusal is the only
 * one, since everybody returns on it.
 */
#ifndef ALTOCAST_WIRE_ASK_PART_H
#define ALTOCAST_WIRE_ASK_PART_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/index.h"
#include "common/base/rc.h"
#include "common/wire/ask_json.h"
#include "common/wire/json.h"

/* One request while it is read. Members have been seen to be there and to have
 * the right type when the values are read. */
struct ask_part {
	const struct service *sv;
	const json_t *doc;
	struct ask *ask;
	struct ask_refusal *why;
};

/* Any code; the text is a sentence. */
enum rc ask_refuse(struct ask_refusal *why, const char *code,
                   const char *field, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* E_INVALID_FIELD_VALUE; value as text: a string as it is, all else as compact
 * JSON. NULL: no value. */
enum rc ask_refuse_value(struct ask_refusal *why, const char *field,
                         const json_t *value, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* Copies text into what holds max bytes, NUL included: cut where it does not fit,
 * "?" for each character that is not printable ASCII. */
void ask_show(char *dst, size_t max, const char *text, size_t len);

/* The string at i of an array, or NULL when something else is there. */
const char *ask_string(const json_t *list, size_t i, size_t *len);
/* A member that is only known where several cost types are (RFC 8189), or
 * NULL. */
json_t *ask_multi(const struct ask_part *p, const char *name);

/* Cost types, constraints and what follows from them. */
MUST_CHECK enum rc ask_cost_read(struct ask_part *p);
MUST_CHECK enum rc ask_constraints_read(struct ask_part *p,
                                        const struct service_cost *const *list,
                                        size_t n);

/* The endpoints of a list, each text once. */
MUST_CHECK enum rc ask_endpoints_read(struct ask_part *p, const char *field,
                                      const json_t *list,
                                      struct ask_axis *axis);

#endif
