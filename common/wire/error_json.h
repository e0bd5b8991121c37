/* error_json.h - the error body of RFC 7285 s8.5. */
#ifndef ALTOCAST_WIRE_ERROR_JSON_H
#define ALTOCAST_WIRE_ERROR_JSON_H

#include "common/base/buf.h"

/* code: E_SYNTAX and so on; field, value, text (a sentence for people, member
 * "syntax-error" for E_SYNTAX, else "message") may be NULL. Canonical. */
void error_json(const char *code, const char *field, const char *value,
                const char *text, struct buf *dst);

#endif
