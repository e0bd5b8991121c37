#include "common/wire/httpfield.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define ELEMENTS_MAX 64		/* forwarders looked at, the nearest ones */
#define NODE_MAX 64		/* "[" + address + "]:" + port, and some */

struct span {
	const char *s;
	size_t n;
};

/* words */

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 9110 s5.6.2. */
static bool is_tchar(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct span w)
{
	for (size_t i = 0; i < w.n; i++)
		if (!is_tchar(w.s[i]))
			return false;
	return w.n > 0;
}

static struct span trim(struct span w)
{
	for (; w.n > 0 && is_space(w.s[0]); w.n--)
		w.s++;
	while (w.n > 0 && is_space(w.s[w.n - 1]))
		w.n--;
	return w;
}

static bool same(struct span w, const char *text, size_t len)
{
	return w.n == len && strncasecmp(w.s, text, len) == 0;
}

static bool is(struct span w, const char *text)
{
	return same(w, text, strlen(text));
}

/* Cuts off what stands before the next sep outside of a quoted string; what is
 * left is without it. A string that is not closed goes on to the end. */
static struct span cut(struct span *rest, char sep)
{
	struct span w = { rest->s, 0 };
	bool quoted = false;

	for (; w.n < rest->n && (quoted || w.s[w.n] != sep); w.n++) {
		if (w.s[w.n] == '"')
			quoted = !quoted;
		else if (quoted && w.s[w.n] == '\\' && w.n + 1 < rest->n)
			w.n++;
	}
	rest->s += w.n < rest->n ? w.n + 1 : w.n;
	rest->n -= w.n < rest->n ? w.n + 1 : w.n;
	return trim(w);
}

static struct span span_of(const char *s)
{
	return s != NULL ? (struct span){ s, strlen(s) }
	                 : (struct span){ "", 0 };
}

/* "name=value": the value; the name stays in *param. */
static struct span cut_value(struct span *param)
{
	struct span rest = *param;

	*param = cut(&rest, '=');
	return trim(rest);
}

/* weights */

#define Q_ONE 1000

/* RFC 9110 s12.4.2: 0 to 1 with up to three places, in thousandths; -1: not. */
static int read_q(struct span w)
{
	static const int place[] = { 100, 10, 1 };
	int q;

	if (w.n < 1 || w.n > 5 || (w.s[0] != '0' && w.s[0] != '1') ||
	    (w.n > 1 && w.s[1] != '.'))
		return -1;
	q = (w.s[0] - '0') * Q_ONE;
	for (size_t i = 2; i < w.n; i++) {
		if (w.s[i] < '0' || w.s[i] > '9')
			return -1;
		q += (w.s[i] - '0') * place[i - 2];
	}
	return q <= Q_ONE ? q : -1;
}

/* One of a list: what is liked, and how much. */
struct liking {
	struct span what;
	bool narrowed;		/* by parameters that mean something */
	int q;			/* thousandths */
};

/* false: it is malformed. JSON has no charset (RFC 8259 s11): where one is named
 * all the same, nothing else is meant by it. */
static bool read_liking(struct span part, struct liking *out)
{
	*out = (struct liking){ cut(&part, ';'), false, Q_ONE };
	while (part.n > 0) {
		struct span name = cut(&part, ';'), value;

		if (name.n == 0)
			continue;
		value = cut_value(&name);
		if (!is_token(name))
			return false;
		if (is(name, "q")) {
			out->q = read_q(value);
			return out->q >= 0;	/* the rest is no parameter */
		}
		out->narrowed |= !is(name, "charset");
	}
	return true;
}

/* media types */

struct media {
	struct span type, sub;
};

static bool read_media(struct span w, struct media *out)
{
	out->type = cut(&w, '/');
	out->sub = w;
	return is_token(out->type) && is_token(out->sub) &&
	       (!is(out->type, "*") || is(out->sub, "*"));
}

/* How exactly a range means a type: 3, 2 (all of a type), 1 (all); 0: not. */
static int range_fits(const struct liking *l, const struct media *range,
                      const struct media *media)
{
	if (l->narrowed)
		return 0;	/* none of ours has parameters */
	if (is(range->type, "*"))
		return 1;
	if (!same(range->type, media->type.s, media->type.n))
		return 0;
	if (is(range->sub, "*"))
		return 2;
	return same(range->sub, media->sub.s, media->sub.n) ? 3 : 0;
}

bool accept_takes(const char *accept, const char *media)
{
	struct span list = span_of(accept), name = span_of(media);
	struct media wanted, range;
	int best = 0, q = 0;
	bool any = false;

	name = cut(&name, ';');
	if (!read_media(name, &wanted))
		return false;
	while (list.n > 0) {
		struct liking l;
		int fits;

		if (!read_liking(cut(&list, ','), &l) ||
		    !read_media(l.what, &range))
			continue;
		any = true;
		fits = range_fits(&l, &range, &wanted);
		if (fits > best || (fits > 0 && fits == best && l.q > q)) {
			best = fits;
			q = l.q;
		}
	}
	return !any || q > 0;
}

bool content_type_is(const char *value, const char *media)
{
	struct span given = span_of(value), wanted = span_of(media);
	struct media m;

	given = cut(&given, ';');
	wanted = cut(&wanted, ';');
	return read_media(given, &m) && same(given, wanted.s, wanted.n);
}

/* codings */

static const char *const names[CODINGS] = { NULL, "gzip", "zstd" };

const char *coding_name(enum coding c)
{
	return names[c];
}

/* -1: none that we know. */
static int coding_of(struct span w)
{
	if (is(w, "identity"))
		return CODING_IDENTITY;
	if (is(w, "gzip") || is(w, "x-gzip"))
		return CODING_GZIP;
	return is(w, "zstd") ? CODING_ZSTD : -1;
}

/* What is not named, and not meant by "*", is not taken, but identity is, though
 * liked less than anything that is (RFC 9110 s12.5.3). */
static void read_codings(const char *value, int q[CODINGS])
{
	struct span list = span_of(value);
	int rest = -1;

	for (int i = 0; i < CODINGS; i++)
		q[i] = -1;
	while (list.n > 0) {
		struct liking l;
		int c, *at = &rest;

		if (!read_liking(cut(&list, ','), &l))
			continue;
		c = coding_of(l.what);
		if (c < 0 && !is(l.what, "*"))
			continue;
		if (c >= 0)
			at = &q[c];
		if (l.q > *at)
			*at = l.q;
	}
	for (int i = 0; i < CODINGS; i++)
		if (q[i] < 0)
			q[i] = rest >= 0 ? rest : i == CODING_IDENTITY;
}

int coding_choose(const char *accept_encoding, unsigned available)
{
	int q[CODINGS], best = -1;

	read_codings(accept_encoding, q);
	available |= 1u << CODING_IDENTITY;
	for (int i = CODINGS - 1; i >= 0; i--)
		if ((available & 1u << i) && q[i] > 0 &&
		    (best < 0 || q[i] > q[best]))
			best = i;
	return best;
}

unsigned codings_taken(const char *accept_encoding)
{
	int q[CODINGS];
	unsigned taken = 0;

	read_codings(accept_encoding, q);
	for (int i = 0; i < CODINGS; i++)
		if (q[i] > 0)
			taken |= 1u << i;
	return taken;
}

/* ranges */

/* Digits only; a number too large is the largest. */
static bool read_number(struct span w, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < w.n; i++) {
		unsigned digit = (unsigned char)w.s[i] - (unsigned)'0';

		if (digit > 9)
			return false;
		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX
		                                  : n * 10 + digit;
	}
	*out = n;
	return w.n > 0;
}

/* The only element of a list; false: none, or several. */
static bool only(struct span list, struct span *out)
{
	struct span w = { NULL, 0 };

	while (list.n > 0) {
		struct span next = cut(&list, ',');

		if (next.n > 0 && w.n > 0)
			return false;
		if (next.n > 0)
			w = next;
	}
	*out = w;
	return w.n > 0;
}

/* The last n bytes. Of an empty body that is all of it, and no range. */
static enum range last_bytes(uint64_t n, uint64_t size, uint64_t *first,
                             uint64_t *len)
{
	if (n == 0)
		return RANGE_BAD;
	if (size == 0)
		return RANGE_NONE;
	*len = n < size ? n : size;
	*first = size - *len;
	return RANGE_ONE;
}

enum range range_read(const char *value, uint64_t size, uint64_t *first,
                      uint64_t *len)
{
	struct span w = span_of(value), unit = cut(&w, '='), from;
	uint64_t a, b = UINT64_MAX;

	if (!is(unit, "bytes") || !only(w, &w) ||
	    memchr(w.s, '-', w.n) == NULL)
		return RANGE_NONE;
	from = cut(&w, '-');
	if (from.n == 0)
		return read_number(w, &a) ? last_bytes(a, size, first, len)
		                          : RANGE_NONE;
	if (!read_number(from, &a) || (w.n > 0 && !read_number(w, &b)) ||
	    b < a)
		return RANGE_NONE;
	if (a >= size)
		return RANGE_BAD;
	*first = a;
	*len = (b < size ? b + 1 : size) - a;
	return RANGE_ONE;
}

/* forwarders */

/* RFC 9110 s5.6.4, with its quotes. */
static bool is_quoted(struct span w)
{
	size_t i = 1;

	if (w.n < 2 || w.s[0] != '"')
		return false;
	for (; i < w.n && w.s[i] != '"'; i++) {
		unsigned char c;

		if (w.s[i] == '\\' && ++i == w.n)
			return false;
		c = (unsigned char)w.s[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return i + 1 == w.n;
}

/* The text of a word, or of a quoted string if there may be one. false: it is
 * too long for a node; cut short it might be another. */
static bool copy_text(struct span w, bool quoting, char dst[NODE_MAX])
{
	bool quoted = quoting && w.s[0] == '"';
	size_t n = 0;

	if (quoted) {
		w.s++;
		w.n -= 2;
	}
	for (size_t i = 0; i < w.n; i++) {
		if (quoted && w.s[i] == '\\')
			i++;
		if (n + 1 == NODE_MAX)
			return false;
		dst[n++] = w.s[i];
	}
	dst[n] = '\0';
	return true;
}

/* RFC 7239 s4: the value of "for", which may be named once. false: the element
 * is not well-formed to its end, or has none. */
static bool read_for(struct span element, char dst[NODE_MAX])
{
	bool found = false;

	while (element.n > 0) {
		struct span name = cut(&element, ';'), value;

		if (name.n == 0)
			continue;
		value = cut_value(&name);
		if (!is_token(name) || (!is_token(value) && !is_quoted(value)))
			return false;
		if (!is(name, "for"))
			continue;
		if (found || !copy_text(value, true, dst))
			return false;
		found = true;
	}
	return found;
}

/* Nothing, or ":port". In Forwarded it may be obfuscated (RFC 7239 s6.3). */
static bool is_port(const char *s, bool rfc7239)
{
	unsigned port = 0;
	size_t n = 0;

	if (*s == '\0')
		return true;
	if (*s++ != ':')
		return false;
	if (rfc7239 && *s == '_') {
		n = strspn(s + 1, "0123456789._-"
		           "abcdefghijklmnopqrstuvwxyz"
		           "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		return n > 0 && s[1 + n] == '\0';
	}
	for (; n < 5 && s[n] >= '0' && s[n] <= '9'; n++)
		port = port * 10 + (unsigned)(s[n] - '0');
	return n > 0 && s[n] == '\0' && port <= UINT16_MAX;
}

static bool print_v4(const unsigned char addr[4], char *dst, size_t size)
{
	return inet_ntop(AF_INET, addr, dst, (socklen_t)size) != NULL;
}

static bool print_v6(const char *text, char *dst, size_t size)
{
	static const unsigned char mapped[12] = { [10] = 0xff, 0xff };
	unsigned char addr[16];

	if (inet_pton(AF_INET6, text, addr) != 1)
		return false;
	if (memcmp(addr, mapped, sizeof(mapped)) == 0)
		return print_v4(addr + 12, dst, size);
	return inet_ntop(AF_INET6, addr, dst, (socklen_t)size) != NULL;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80", of which the
 * address goes to dst in its one spelling. node is taken apart. */
static bool read_node(char *node, bool rfc7239, char *dst, size_t size)
{
	char *colon = strchr(node, ':'), *end;
	unsigned char v4[4];

	if (node[0] == '[') {
		end = strchr(node, ']');
		if (end == NULL || !is_port(end + 1, rfc7239))
			return false;
		*end = '\0';
		return print_v6(node + 1, dst, size);
	}
	if (colon != NULL && strchr(colon + 1, ':') != NULL)
		return print_v6(node, dst, size);
	if (!is_port(colon != NULL ? colon : "", rfc7239))
		return false;
	if (colon != NULL)
		*colon = '\0';
	return inet_pton(AF_INET, node, v4) == 1 && print_v4(v4, dst, size);
}

/* In a quoted string: an odd number of backslashes stands before it. */
static bool is_escaped(struct span w, size_t at)
{
	size_t n = at;

	while (n > 0 && w.s[n - 1] == '\\')
		n--;
	return (at - n) % 2 == 1;
}

/* Cuts off the last element of a list, from its end: so a quote that somebody
 * further left did not close is met after what was appended behind it, and takes
 * nothing of that. In what is well-formed, a quote that has no backslash before
 * it opens or closes, read from either side. */
static struct span cut_last(struct span *list, bool quoting)
{
	size_t n = list->n;
	bool quoted = false;
	struct span w;

	while (n > 0 && (quoted || list->s[n - 1] != ',')) {
		n--;
		if (quoting && list->s[n] == '"' &&
		    !(quoted && is_escaped(*list, n)))
			quoted = !quoted;
	}
	w = (struct span){ list->s + n, list->n - n };
	list->n = n > 0 ? n - 1 : 0;
	return trim(w);
}

/* Who cannot be read ends the walk: what stands further left was written by
 * somebody whom nobody of ours vouches for. */
bool forwarded_for(const char *value, bool rfc7239, const struct forwarders *f,
                   char *dst, size_t size)
{
	struct span list = span_of(value);
	char node[NODE_MAX], addr[INET6_ADDRSTRLEN] = "";
	bool known = false;
	size_t n = 0;

	while (!known && list.n > 0) {
		struct span w = cut_last(&list, rfc7239);

		if (w.n == 0)
			continue;
		if (n++ == ELEMENTS_MAX)
			return false;
		if (rfc7239 ? !read_for(w, node) : !copy_text(w, false, node))
			return false;
		if (!read_node(node, rfc7239, addr, sizeof(addr)))
			return false;
		known = f->trusted == NULL || !f->trusted(addr, f->arg);
	}
	if (addr[0] == '\0' || strlen(addr) >= size)
		return false;
	memcpy(dst, addr, strlen(addr) + 1);
	return true;
}
