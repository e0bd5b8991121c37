#include "common/wire/ask_part.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MORE(c) (((unsigned char)(c) & 0xc0) == 0x80)	/* inside of UTF-8 */

/* A text that is being shown: see ask_show(). */
struct shown {
	char *dst;
	size_t len, max;
};

static void show(struct shown *s, const char *text, size_t len)
{
	for (size_t i = 0; i < len && s->len + 1 < s->max; i++)
		if (text[i] >= 0x20 && text[i] <= 0x7e)
			s->dst[s->len++] = text[i];
		else if (!MORE(text[i]))
			s->dst[s->len++] = '?';
	s->dst[s->len] = '\0';
}

void ask_show(char *dst, size_t max, const char *text, size_t len)
{
	struct shown s = { .dst = dst, .max = max };

	show(&s, text, len);
}

/* Stops the writer once there is no more room: values may be large. */
static int on_dump(const char *text, size_t len, void *arg)
{
	struct shown *s = arg;

	show(s, text, len);
	return s->len + 1 < s->max ? 0 : -1;
}

static void show_value(char *dst, size_t max, const json_t *value)
{
	struct shown s = { .dst = dst, .max = max };

	if (json_is_string(value))
		show(&s, json_string_value(value), json_string_length(value));
	else
		(void)json_dump_callback(value, on_dump, &s, JSON_COMPACT |
		                         JSON_ENCODE_ANY |
		                         JSON_REAL_PRECISION(15));
}

static void refuse(struct ask_refusal *why, const char *code,
                   const char *field, const char *fmt, va_list ap)
{
	char text[sizeof(why->text)];

	memset(why, 0, sizeof(*why));
	why->code = code;
	snprintf(why->field, sizeof(why->field), "%s", field);
	vsnprintf(text, sizeof(text), fmt, ap);
	ask_show(why->text, sizeof(why->text), text, strlen(text));
}

enum rc ask_refuse(struct ask_refusal *why, const char *code,
                   const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(why, code, field, fmt, ap);
	va_end(ap);
	return RC_ERULE;
}

enum rc ask_refuse_value(struct ask_refusal *why, const char *field,
                         const json_t *value, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(why, "E_INVALID_FIELD_VALUE", field, fmt, ap);
	va_end(ap);
	why->has_value = value != NULL;
	if (value)
		show_value(why->value, sizeof(why->value), value);
	return RC_ERULE;
}

const char *ask_string(const json_t *list, size_t i, size_t *len)
{
	const json_t *v = json_array_get(list, i);

	*len = json_string_length(v);
	return json_string_value(v);
}

json_t *ask_multi(const struct ask_part *p, const char *name)
{
	return p->sv->max_types ? json_object_get(p->doc, name) : NULL;
}
