#include "common/core/prefix.h"

#include <stdbool.h>
#include <string.h>

#define RULE "RFC 7285 s10.4.3"

const char *family_name(enum family f)
{
	return f == FAMILY_IPV4 ? "ipv4" : "ipv6";
}

static unsigned max_len(enum family f)
{
	return f == FAMILY_IPV4 ? 32 : 128;
}

/* Decimal without leading zeros up to max; NULL, or where it ends. */
static const char *read_decimal(const char *p, const char *end, unsigned max,
                                uint8_t *out)
{
	const char *start = p;
	unsigned v = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v > max || (p > start && *start == '0'))
			return NULL;
	}
	if (p == start)
		return NULL;
	*out = (uint8_t)v;
	return p;
}

static const char *read_ipv4(const char *p, const char *end, uint8_t *addr)
{
	for (int i = 0; i < 4; i++) {
		if (i && (p == end || *p++ != '.'))
			return NULL;
		p = read_decimal(p, end, 255, &addr[i]);
		if (!p)
			return NULL;
	}
	return p;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *read_group(const char *p, const char *end, uint8_t *out)
{
	const char *start = p;
	unsigned v = 0;

	for (; p < end && p - start < 4 && hex_value(*p) >= 0; p++)
		v = v << 4 | (unsigned)hex_value(*p);
	if (p == start)
		return NULL;
	out[0] = (uint8_t)(v >> 8);
	out[1] = (uint8_t)v;
	return p;
}

/* Moves the groups behind "::" (from byte gap on) to the end. */
static void open_gap(uint8_t *addr, size_t gap, size_t used)
{
	size_t tail = used - gap;

	memmove(addr + 16 - tail, addr + gap, tail);
	memset(addr + gap, 0, 16 - used);
}

/* Is the next group the first octet of a dotted quad? */
static bool quad_ahead(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p < end && *p == '.';
}

static const char *read_ipv6(const char *p, const char *end, uint8_t *addr)
{
	size_t used = 0, gap = SIZE_MAX;

	if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
		gap = 0;
		p += 2;
	}
	/* After "::" there may be nothing; else a group comes now. */
	while (used < 16 && !(gap == used && (p == end || *p == '/'))) {
		if (used <= 12 && quad_ahead(p, end)) {
			p = read_ipv4(p, end, addr + used);
			used += 4;
			break;
		}
		p = read_group(p, end, addr + used);
		used += 2;
		if (!p || p == end || *p != ':' || used == 16)
			break;
		if (end - p >= 2 && p[1] == ':') {
			if (gap != SIZE_MAX)
				return NULL;
			gap = used;
			p++;
		}
		p++;
	}
	if (!p || (gap == SIZE_MAX ? used != 16 : used > 14))
		return NULL;
	if (gap != SIZE_MAX)
		open_gap(addr, gap, used);
	return p;
}

/* Clears the bits behind len; true when there were any. */
static bool clear_host(struct prefix *p)
{
	size_t i = p->len / 8u;
	uint8_t seen = 0;

	if (i < sizeof(p->addr) && p->len % 8) {
		uint8_t host = (uint8_t)(0xff >> p->len % 8);

		seen = p->addr[i] & host;
		p->addr[i] &= (uint8_t)~host;
		i++;
	}
	for (; i < sizeof(p->addr); i++) {
		seen |= p->addr[i];
		p->addr[i] = 0;
	}
	return seen;
}

/* Text from outside goes into messages short and without control bytes. */
#define SHOWN 64
static const char *shown(const char *s, size_t len, char out[SHOWN + 4])
{
	size_t n = len < SHOWN ? len : SHOWN;

	for (size_t i = 0; i < n; i++)
		out[i] = s[i] < 0x20 || s[i] > 0x7e ? '?' : s[i];
	memcpy(out + n, "...", 4);
	if (n == len)
		out[n] = '\0';
	return out;
}

static enum rc no_prefix(const char *s, size_t len, enum family f,
                         struct diag *d)
{
	const char *name = f == FAMILY_IPV4 ? "IPv4" : "IPv6";
	struct prefix other;
	char text[SHOWN + 4];

	if (!d)
		return RC_ESYNTAX;
	shown(s, len, text);
	if (!memchr(s, '/', len))
		return diag_set(d, RC_ESYNTAX, "\"%s\" has no length; one "
		                "address alone is written ADDRESS/%u (" RULE
		                ")", text, max_len(f));
	if (prefix_read(s, len, f == FAMILY_IPV4 ? FAMILY_IPV6 : FAMILY_IPV4,
	                &other, NULL) != RC_ESYNTAX)
		return diag_set(d, RC_ESYNTAX, "\"%s\" is no %s prefix; it "
		                "belongs under \"%s\" (" RULE ")", text, name,
		                f == FAMILY_IPV4 ? "ipv6" : "ipv4");
	return diag_set(d, RC_ESYNTAX, "\"%s\" is no %s prefix; one looks "
	                "like %s, with a length of 0 to %u%s (" RULE ")", text,
	                name, f == FAMILY_IPV4 ? "192.0.2.0/24" :
	                "2001:db8::/32", max_len(f),
	                f == FAMILY_IPV4 ? " and no leading zeros" : "");
}

static enum rc host_bits(const char *s, size_t len, const struct prefix *net,
                         struct diag *d)
{
	char text[SHOWN + 4], meant[PREFIX_TEXT_MAX + 1];
	const char *slash = memchr(s, '/', len);

	if (!d)
		return RC_ERULE;
	prefix_print(net, meant);
	shown(s, len, text);
	return diag_set(d, RC_ERULE, "%s has host bits set; write %s, or "
	                "%.*s/%u for the one address (" RULE ", RFC 4632 "
	                "s3.1)", text, meant, (int)(slash - s), text,
	                max_len((enum family)net->family));
}

enum rc prefix_read(const char *s, size_t len, enum family f,
                    struct prefix *out, struct diag *d)
{
	struct prefix p = { .family = (uint8_t)f };
	const char *at, *end = s + len;

	at = f == FAMILY_IPV4 ? read_ipv4(s, end, p.addr) :
	                        read_ipv6(s, end, p.addr);
	if (!at || at == end || *at != '/')
		return no_prefix(s, len, f, d);
	at = read_decimal(at + 1, end, max_len(f), &p.len);
	if (at != end)
		return no_prefix(s, len, f, d);
	if (clear_host(&p))
		return host_bits(s, len, &p, d);
	*out = p;
	return RC_OK;
}

static char *put_decimal(char *o, unsigned v)
{
	if (v >= 100)
		*o++ = (char)('0' + v / 100);
	if (v >= 10)
		*o++ = (char)('0' + v / 10 % 10);
	*o++ = (char)('0' + v % 10);
	return o;
}

static char *put_group(char *o, unsigned v)
{
	static const char digits[] = "0123456789abcdef";
	int shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*o++ = digits[v >> shift & 15];
	return o;
}

/* RFC 5952 s4.2: "::" stands for the longest run of two or more zero groups,
 * the first of equals. Returns its length in groups; 0: none. */
static size_t longest_run(const unsigned group[8], size_t *at)
{
	size_t best = 1;

	for (size_t i = 0, n = 0; i < 8; i++) {
		n = group[i] ? 0 : n + 1;
		if (n > best) {
			best = n;
			*at = i + 1 - n;
		}
	}
	return best > 1 ? best : 0;
}

/* An IPv4-mapped address is written like any other: one rule for all. */
static char *put_ipv6(char *o, const uint8_t *addr)
{
	unsigned group[8];
	size_t run, at = 8;

	for (size_t i = 0; i < 8; i++)
		group[i] = (unsigned)addr[2 * i] << 8 | addr[2 * i + 1];
	run = longest_run(group, &at);
	for (size_t i = 0; i < 8; i++) {
		if (run && i == at) {
			*o++ = ':';
			*o++ = ':';
			i += run - 1;
			continue;
		}
		if (i && !(run && i == at + run))
			*o++ = ':';
		o = put_group(o, group[i]);
	}
	return o;
}

size_t prefix_print(const struct prefix *p, char out[PREFIX_TEXT_MAX + 1])
{
	char *o = out;

	if (p->family == FAMILY_IPV4) {
		for (int i = 0; i < 4; i++) {
			if (i)
				*o++ = '.';
			o = put_decimal(o, p->addr[i]);
		}
	} else {
		o = put_ipv6(o, p->addr);
	}
	*o++ = '/';
	o = put_decimal(o, p->len);
	*o = '\0';
	return (size_t)(o - out);
}

int prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int c;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	c = memcmp(a->addr, b->addr, sizeof(a->addr));
	if (c)
		return c;
	return (a->len > b->len) - (a->len < b->len);
}
