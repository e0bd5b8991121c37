#include "common/wire/error_json.h"

#include <string.h>

#include "common/wire/json.h"

static void put_member(const char *name, const char *value, struct buf *dst)
{
	if (!value)
		return;
	buf_printf(dst, ",\"%s\":", name);
	json_put_string(dst, value, strlen(value));
}

/* The members stand in canonical order: code, field, message, syntax-error,
 * value. */
void error_json(const char *code, const char *field, const char *value,
                const char *text, struct buf *dst)
{
	int syntax = strcmp(code, "E_SYNTAX") == 0;

	buf_puts(dst, "{\"meta\":{\"code\":");
	json_put_string(dst, code, strlen(code));
	put_member("field", field, dst);
	put_member(syntax ? "syntax-error" : "message", text, dst);
	put_member("value", value, dst);
	buf_puts(dst, "}}");
}
