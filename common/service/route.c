#include "common/service/route.h"

#include <stdbool.h>
#include <string.h>

#include "common/core/vtag.h"
#include "common/wire/offer.h"

#define MAPS "maps/"
#define ROUTE_MAX 128		/* the longest path that leads somewhere */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character at *s, which may be %XX, and *s behind it; -1: none that may
 * stand in a name. */
static int next_char(const char **s)
{
	const char *at = *s;
	int high, low, c;

	*s = at + 1;
	if (at[0] != '%')
		return (unsigned char)at[0];
	high = hex_digit(at[1]);
	low = high < 0 ? -1 : hex_digit(at[2]);
	if (low < 0)
		return -1;
	*s = at + 3;
	c = high << 4 | low;
	return c == '\0' || c == '/' ? -1 : c;
}

/* Resource-ids stand in paths, where ":" and "@" may be %XX. */
static bool decode(const char *s, char path[ROUTE_MAX + 1])
{
	size_t n = 0;

	if (*s++ != '/')
		return false;
	while (*s != '\0') {
		int c = next_char(&s);

		if (c < 0 || n == ROUTE_MAX)
			return false;
		path[n++] = (char)c;
	}
	path[n] = '\0';
	return true;
}

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static enum target kind_of(const char *path)
{
	const char *id = path + strlen(MAPS);

	if (strcmp(path, "state") == 0 || strcmp(path, "directory") == 0)
		return TARGET_MAP;
	if (begins(path, MAPS))
		return resource_id_ok(id, strlen(id)) ? TARGET_MAP
		                                      : TARGET_NONE;
	if (begins(path, OFFER_NETWORK) || begins(path, OFFER_COST) ||
	    begins(path, OFFER_ENDPOINT_COST) ||
	    strcmp(path, OFFER_PROPERTY) == 0)
		return TARGET_SERVICE;
	return TARGET_NONE;
}

/* -1: not there. */
static long find_map(const char *path, const struct snapshot *s)
{
	if (strcmp(path, "state") == 0)
		return snapshot_signed(s) ? (long)snapshot_count(s) : -1;
	if (strcmp(path, "directory") == 0)
		return snapshot_find(s, DIRECTORY_ID);
	return snapshot_find(s, path + strlen(MAPS));
}

void route_find(const char *path, const struct snapshot *s,
                const struct catalog *catalog, struct route *out)
{
	char plain[ROUTE_MAX + 1];
	long at = -1;

	*out = (struct route){ .target = TARGET_NONE };
	if (!decode(path, plain))
		return;
	out->target = kind_of(plain);
	if (s == NULL)
		return;
	if (out->target == TARGET_MAP)
		at = find_map(plain, s);
	out->i = at >= 0 ? (size_t)at : 0;
	if (out->target == TARGET_SERVICE && catalog != NULL)
		out->sv = catalog_find(catalog, plain);
	if (at < 0 && out->sv == NULL)
		out->target = TARGET_NONE;
}
