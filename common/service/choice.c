#include "common/service/choice.h"

#include <string.h>

/* Most clients send nothing here, or name one coding. */
void choice_begin(struct choice *c, const char *accept_encoding)
{
	unsigned left = (1u << CODINGS) - 1;
	int coding = CODING_IDENTITY;

	c->n = 0;
	c->taken = accept_encoding != NULL ? codings_taken(accept_encoding)
	                                   : 1u << CODING_IDENTITY;
	do {
		if (accept_encoding != NULL)
			coding = coding_choose(accept_encoding, left);
		if (coding < 0)
			return;
		c->order[c->n++] = coding;
		left &= ~(1u << coding);
	} while (coding != CODING_IDENTITY && c->n < CODINGS);
}

static bool takes_identity(const struct choice *c)
{
	return c->n > 0 && c->order[c->n - 1] == CODING_IDENTITY;
}

/* The best coding that is there; -1: none. */
static int best_form(const struct choice *c, const struct answer *e)
{
	for (size_t k = 0; k < c->n; k++)
		if (c->order[k] == CODING_IDENTITY ||
		    e->form[c->order[k]].body != NULL)
			return c->order[k];
	return -1;
}

/* A form that is held is as good as the one that would be sent, which is named
 * if it is among them, provided that this request takes its coding. A cache sends
 * the ETags of all that it stores under a URI, in whatever coding, and then gives
 * its client the stored body that the 304 names (RFC 9111 s4.1, s4.3.1, s4.3.3).
 * Named for a client that takes no gzip, the gzip one would be bytes that this
 * client cannot read; the identity one is right for each that takes identity,
 * even if it likes gzip better. Where the answer would be no 200 there is no
 * condition on it (RFC 9110 s13.2.1). */
static bool find_unchanged(struct choice *c, const char *if_none_match,
                           const struct answer *e, int best)
{
	if (if_none_match == NULL || best < 0)
		return false;
	for (int k = 0; k < CODINGS; k++) {
		int coding = (best + k) % CODINGS;

		if (!(c->taken & 1u << coding) ||
		    !http_etag_match(if_none_match, e->form[coding].etag))
			continue;
		c->coding = (enum coding)coding;
		c->unchanged = true;
		c->size = 0;
		return true;
	}
	return false;
}

/* With none that is taken there: it will be in a moment, unless it is known to
 * be of no use. */
static unsigned why_none(const struct choice *c, const struct answer *e)
{
	for (size_t k = 0; k < c->n; k++)
		if (!(e->useless & 1u << c->order[k]))
			return 503;
	return 406;
}

static enum range find_part(struct choice *c, const struct wish *w,
                            const struct answer *e, uint64_t size)
{
	uint64_t len;
	enum range found;

	if (w->range == NULL || !takes_identity(c))
		return RANGE_NONE;
	if (w->if_range != NULL &&
	    strcmp(w->if_range, e->form[CODING_IDENTITY].etag) != 0)
		return RANGE_NONE;
	found = range_read(w->range, size, &c->first, &len);
	if (found == RANGE_ONE) {
		c->coding = CODING_IDENTITY;
		c->part = true;
		c->size = len;
	}
	return found;
}

static bool refused(struct choice *c, unsigned status)
{
	c->refused = status;
	return false;
}

bool choice_make(struct choice *c, const struct wish *w,
                 const struct answer *e, uint64_t size)
{
	int best = best_form(c, e);

	c->unchanged = c->part = false;
	c->refused = 0;
	if (find_unchanged(c, w->if_none_match, e, best))
		return true;
	c->size = size;
	switch (find_part(c, w, e, size)) {
	case RANGE_ONE:
		return true;
	case RANGE_BAD:
		return refused(c, 416);
	case RANGE_NONE:
		break;
	}
	if (best < 0)
		return refused(c, why_none(c, e));
	c->coding = (enum coding)best;
	if (best != CODING_IDENTITY)
		c->size = e->form[best].body->len;
	return true;
}

/* The best of those that can be had at all: not each that is named, or one
 * browser would have everything coded twice. */
bool choice_note(const struct choice *c, struct answer *e)
{
	for (size_t k = 0; k < c->n && c->order[k] != CODING_IDENTITY; k++) {
		unsigned bit = 1u << c->order[k];

		if (e->useless & bit)
			continue;
		if (atomic_load_explicit(&e->wanted, memory_order_relaxed) &
		    bit)
			return false;
		atomic_fetch_or(&e->wanted, bit);
		return true;
	}
	return false;
}
