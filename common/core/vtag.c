#include "common/core/vtag.h"

#include <string.h>

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

static bool made_of(const char *s, size_t len, size_t max, const char *more)
{
	if (len < 1 || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!alnum(s[i]) && (!s[i] || !strchr(more, s[i])))
			return false;
	return true;
}

bool pid_ok(const char *s, size_t len)
{
	return made_of(s, len, ID_MAX, "-:@_");
}

bool resource_id_ok(const char *s, size_t len)
{
	return made_of(s, len, ID_MAX, "-:@_");
}

bool tag_ok(const char *s, size_t len)
{
	if (len < 1 || len > TAG_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] < 0x21 || s[i] > 0x7e)
			return false;
	return true;
}

/* "priv:" is a prefix and no name (RFC 7285 s10.6.1, RFC 9274 s3). */
static bool bare_priv(const char *s, size_t len)
{
	return len == 5 && memcmp(s, "priv:", 5) == 0;
}

bool metric_ok(const char *s, size_t len)
{
	return made_of(s, len, METRIC_MAX, "-:_.") && !bare_priv(s, len) &&
	       s[0] != '.' && s[len - 1] != '.';
}

bool mode_ok(const char *s, size_t len)
{
	return made_of(s, len, METRIC_MAX, "-:_") && !bare_priv(s, len);
}
