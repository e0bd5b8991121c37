#include "common/service/caller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/httpfield.h"

struct callers {
	bool rfc7239;
	size_t n;
	struct prefix forwarder[];
};

/* text is an address, or a prefix if it has a length. */
static enum rc read_prefix(const char *text, struct prefix *p, struct diag *d)
{
	enum family f = strchr(text, ':') != NULL ? FAMILY_IPV6 : FAMILY_IPV4;
	char full[PREFIX_TEXT_MAX + 8];
	int n = snprintf(full, sizeof(full), "%s%s", text,
	                 strchr(text, '/') != NULL ? "" :
	                 f == FAMILY_IPV6 ? "/128" : "/32");

	if (n < 0 || (size_t)n >= sizeof(full))
		return diag_set(d, RC_ESYNTAX, "no address or prefix");
	return prefix_read(full, (size_t)n, f, p, d);
}

static void unmap(struct prefix *p)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (p->family != FAMILY_IPV6 || p->len != 128 ||
	    memcmp(p->addr, mapped, sizeof(mapped)) != 0)
		return;
	p->family = FAMILY_IPV4;
	p->len = 32;
	memmove(p->addr, p->addr + 12, 4);
	memset(p->addr + 4, 0, 12);
}

static bool read_address(const char *text, struct prefix *p)
{
	if (strchr(text, '/') != NULL || read_prefix(text, p, NULL) != RC_OK)
		return false;
	unmap(p);
	return true;
}

/* "192.0.2.1:80", "[2001:db8::1%eth0]:80" */
static bool read_peer(const char *peer, struct prefix *p)
{
	char text[PREFIX_TEXT_MAX + 1];
	size_t n;

	if (peer[0] == '[') {
		peer++;
		n = strcspn(peer, "%]");
	} else {
		n = strcspn(peer, ":");
	}
	if (n > PREFIX_TEXT_MAX)
		return false;
	memcpy(text, peer, n);
	text[n] = '\0';
	return read_address(text, p);
}

static bool holds(const struct prefix *all, const struct prefix *one)
{
	size_t whole = all->len / 8;
	unsigned rest = all->len % 8;

	if (all->family != one->family ||
	    memcmp(all->addr, one->addr, whole) != 0)
		return false;
	return rest == 0 ||
	       ((all->addr[whole] ^ one->addr[whole]) >> (8 - rest)) == 0;
}

static bool is_forwarder(const struct callers *c, const struct prefix *p)
{
	for (size_t i = 0; i < c->n; i++)
		if (holds(&c->forwarder[i], p))
			return true;
	return false;
}

static bool trusted(const char *addr, void *arg)
{
	const struct callers *c = arg;
	struct prefix p;

	return read_address(addr, &p) && is_forwarder(c, &p);
}

enum rc callers_new(const char *const *forwarders, size_t n, bool rfc7239,
                    struct diag *d, struct callers **out)
{
	struct callers *c = calloc(1, sizeof(*c) + n * sizeof(c->forwarder[0]));
	enum rc rc = c != NULL ? RC_OK : RC_ENOMEM;

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		rc = read_prefix(forwarders[i], &c->forwarder[i], d);
		if (rc == RC_OK)
			unmap(&c->forwarder[i]);
	}
	if (rc != RC_OK) {
		free(c);
		return rc;
	}
	c->rfc7239 = rfc7239;
	c->n = n;
	*out = c;
	return RC_OK;
}

void callers_free(struct callers *c)
{
	free(c);
}

/* What a forwarder says; p stays the forwarder when that cannot be read. */
static void follow(struct callers *c, const struct http_request *rq,
                   struct prefix *p)
{
	const struct forwarders f = { trusted, c };
	char value[HTTP_HEADERS_MAX], addr[PREFIX_TEXT_MAX + 1];
	struct prefix said;

	if (http_header_list(rq, c->rfc7239 ? "Forwarded" : "X-Forwarded-For",
	                     value, sizeof(value)) == 0)
		return;
	if (forwarded_for(value, c->rfc7239, &f, addr, sizeof(addr)) &&
	    read_address(addr, &said))
		*p = said;
}

void caller_find(struct callers *c, const struct http_request *rq,
                 char dst[CALLER_TEXT_MAX + 1])
{
	char text[PREFIX_TEXT_MAX + 1];
	struct prefix p;

	dst[0] = '\0';
	if (!read_peer(rq->peer, &p))
		return;
	if (is_forwarder(c, &p))
		follow(c, rq, &p);
	prefix_print(&p, text);
	text[strcspn(text, "/")] = '\0';
	snprintf(dst, CALLER_TEXT_MAX + 1, "%s:%s",
	         family_name((enum family)p.family), text);
}
