#include "common/sys/conf_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

const char *conf_text_wants(enum conf_type type)
{
	switch (type) {
	case CONF_STRING:
		return "a text: \"...\"";
	case CONF_PATH:
		return "a path: \"...\"";
	case CONF_BOOL:
		return "true or false";
	case CONF_INT:
		return "a whole number";
	case CONF_SIZE:
		return "bytes: a whole number, or a text with the unit K, M "
		       "or G: \"64M\"";
	case CONF_SECONDS:
		return "seconds: a whole number, or a text with the unit s, "
		       "m, h or d: \"10m\"";
	case CONF_LISTEN:
		return "\"address:port\" or \"[IPv6 address]:port\", without "
		       "host names; 0.0.0.0 or [::] means all addresses";
	case CONF_URI:
		return "an http, https, ws or wss URI: "
		       "\"https://host[:port]/path\"";
	case CONF_STRINGS:
		return "a text or an array of texts: [\"...\", \"...\"]";
	case CONF_PATHS:
		return "a path or an array of paths: [\"...\", \"...\"]";
	case CONF_URIS:
		return "a URI or an array of URIs: "
		       "[\"https://host[:port]/path\", ...]";
	case CONF_LIST:
		return "a list of groups: ( { ... }, { ... } )";
	}
	return "";
}

static bool parse_number(const char *s, const char *units,
			 const int64_t *factors, int64_t *out)
{
	const char *unit;
	char *end;
	long long n;

	if (s[0] < '0' || s[0] > '9')
		return false;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return false;
		if (__builtin_mul_overflow(n, factors[unit - units], &n))
			return false;
	}
	*out = n;
	return true;
}

static bool parse_size(const char *s, int64_t *out)
{
	static const int64_t factors[] = {
		INT64_C(1) << 10, INT64_C(1) << 20, INT64_C(1) << 30
	};

	return parse_number(s, "KMG", factors, out);
}

static bool parse_seconds(const char *s, int64_t *out)
{
	static const int64_t factors[] = { 1, 60, 3600, 86400 };

	return parse_number(s, "smhd", factors, out);
}

static bool parse_port(const char *s, uint16_t *out)
{
	unsigned long n = 0;
	size_t len = strspn(s, "0123456789");

	if (len == 0 || len > 5 || s[len])
		return false;
	n = strtoul(s, NULL, 10);
	if (n > UINT16_MAX)
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool listen_v6(const char *host, struct conf_listen *l)
{
	struct sockaddr_in6 *a = (struct sockaddr_in6 *)&l->addr;

	if (inet_pton(AF_INET6, host, &a->sin6_addr) != 1)
		return false;
	a->sin6_family = AF_INET6;
	a->sin6_port = htons(l->port);
	l->len = sizeof(*a);
	l->wildcard = IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr);
	l->loopback = IN6_IS_ADDR_LOOPBACK(&a->sin6_addr);
	return true;
}

static bool listen_v4(const char *host, struct conf_listen *l)
{
	struct sockaddr_in *a = (struct sockaddr_in *)&l->addr;

	if (inet_pton(AF_INET, host, &a->sin_addr) != 1)
		return false;
	a->sin_family = AF_INET;
	a->sin_port = htons(l->port);
	l->len = sizeof(*a);
	l->wildcard = a->sin_addr.s_addr == htonl(INADDR_ANY);
	l->loopback = ntohl(a->sin_addr.s_addr) >> 24 == 127;
	return true;
}

enum rc conf_listen_parse(const char *text, struct conf_listen *out)
{
	struct conf_listen l = { .len = 0 };
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool v6 = text[0] == '[';

	if (!n || n >= sizeof(host) || !parse_port(colon + 1, &l.port))
		return RC_ERULE;
	if (v6 && (n < 3 || text[n - 1] != ']'))
		return RC_ERULE;
	memcpy(host, text + v6, n - 2 * v6);
	host[n - 2 * v6] = '\0';
	if (!(v6 ? listen_v6(host, &l) : listen_v4(host, &l)))
		return RC_ERULE;
	*out = l;
	return RC_OK;
}

/* Authority: host or [v6], and an optional port. No user part: secrets do not
 * belong into addresses. */
static bool is_authority(const char *s, size_t len)
{
	static const char host_chars[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	char port[8];
	size_t host;
	uint16_t n;

	if (len && s[0] == '[') {
		host = strcspn(s, "]");
		if (host >= len || host < 3 ||
		    strspn(s + 1, "0123456789abcdefABCDEF:.") != host - 1)
			return false;
		host++;
	} else {
		host = strspn(s, host_chars);
	}
	if (host == 0 || host > len)
		return false;
	if (host == len)
		return true;
	len -= host + 1;
	if (s[host] != ':' || len == 0 || len >= sizeof(port))
		return false;
	memcpy(port, s + host + 1, len);
	port[len] = '\0';
	return parse_port(port, &n);
}

bool conf_text_is_uri(const char *s)
{
	static const char *const schemes[] = {
		"https://", "http://", "wss://", "ws://"
	};

	for (const char *p = s; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}#", *p))
			return false;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);

		if (strncmp(s, schemes[i], n) == 0)
			return is_authority(s + n, strcspn(s + n, "/?"));
	}
	return false;
}

bool conf_text_has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

bool conf_text_number(enum conf_type type, const char *s, int64_t *out)
{
	switch (type) {
	case CONF_SIZE:
		return parse_size(s, out);
	case CONF_SECONDS:
		return parse_seconds(s, out);
	case CONF_BOOL:
		*out = strcmp(s, "true") == 0;
		return *out || strcmp(s, "false") == 0;
	default:
		return parse_number(s, "", NULL, out);
	}
}
