/* offer.h - the services that an IRD offers, whether or not the maps for them are
 * there: the entries at the paths below, with the media types that belong there.
 *
 * Read once for each IRD and shared by all catalogs that are made with it.
 * Ascending by path, and no path twice: of several entries that with the lowest id
 * counts. Counted, immutable; any thread may read. Source: RFC 7285 s9.2.
 */
#ifndef ALTOCAST_WIRE_OFFER_H
#define ALTOCAST_WIRE_OFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/rc.h"
#include "common/wire/service.h"

struct ird_entry;
struct resource;

/* Relative to the IRD. One that ends in "/" goes on with the id of a network
 * map. */
#define OFFER_NETWORK	"filter/network/"
#define OFFER_COST	"filter/cost/"
#define OFFER_ENDPOINT_COST "endpoint/cost/"
#define OFFER_PROPERTY	"endpoint/property"

/* One service on offer; the pointers are lent by the struct offers it stands in. */
struct offer {
	enum service_kind kind;
	const struct ird_entry *entry;
	const char *map;		/* id of the network map; "" none */
	bool says_vtag;			/* endpoint costs: see struct service */
};

struct offers;

/* What the IRD in res offers, nothing if it cannot be read; res is referenced.
 * before (may be NULL) comes back referenced if it was made of the same res.
 * RC_ENOMEM. */
MUST_CHECK enum rc offers_new(struct resource *res, struct offers *before,
                              struct offers **out);

size_t offers_count(const struct offers *o);
const struct offer *offers_at(const struct offers *o, size_t i);

struct offers *offers_ref(struct offers *o);
void offers_unref(struct offers *o);			/* NULL is fine */

#endif
