/* choice.h - which form of a resource a request gets: in what coding, in full or
 * a part, or none since it is held already (RFC 9110 s12.5.3, s13.1, s14.2). */
#ifndef ALTOCAST_SERVICE_CHOICE_H
#define ALTOCAST_SERVICE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/service/version.h"
#include "common/wire/httpfield.h"

/* Values of request headers, lists joined; NULL when not sent. range and if_range
 * count for GET alone. */
struct wish {
	const char *if_none_match, *accept_encoding, *range, *if_range;
};

struct choice {
	int order[CODINGS];		/* codings taken, best first; identity
					 * ends it */
	size_t n;
	unsigned taken;			/* all of them (bits), those that are
					 * liked less than identity too */

	bool unchanged, part;		/* 304, 206; else 200 */
	enum coding coding;
	uint64_t first;			/* of the part */
	uint64_t size;			/* bytes of the body; refused with 416:
					 * of the resource */
	unsigned refused;		/* 406: comes in no coding that is taken;
					 * 503: does, but it is not made yet;
					 * 416; else 0 */
};

/* What does not depend on the version: needs no lock. */
void choice_begin(struct choice *c, const char *accept_encoding);

/* Decides for an answer that is laid out, of size bytes in identity. false:
 * refused. May be called again, with another answer too. */
bool choice_make(struct choice *c, const struct wish *w,
                 const struct answer *e, uint64_t size);

/* Notes in e which coding is wanted; true: nobody wanted it before. */
bool choice_note(const struct choice *c, struct answer *e);

#endif
