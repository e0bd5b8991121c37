/* ask_json.h - the requests of computed services, read and checked: RFC 7285
 * s11.3.1.3, s11.3.2.3, s11.4.1.3, s11.5.1.3, RFC 8189 s4.1.2.
 *
 * Numbers of PIDs and columns in a struct ask are those of the service it was read
 * for; so it must not outlive that. One owner.
 */
#ifndef ALTOCAST_WIRE_ASK_JSON_H
#define ALTOCAST_WIRE_ASK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/filter.h"
#include "common/core/prefix.h"
#include "common/wire/service.h"

/* What one request may come to, see ask_work(): a full map of 25 M pairs with a
 * few tests passes, and nothing takes longer than a second or so. */
#define ASK_WORK_MAX 268435456u
#define ASK_WORK_RANKED 8u	/* a column that is ranked, in others */

struct ask_endpoint {
	const char *text;		/* as the client wrote it, printable */
	uint8_t family;			/* enum family */
	uint8_t addr[16];
};

/* Sources or destinations. */
struct ask_axis {
	size_t n;
	uint32_t *pid;			/* maps: ascending, each once */
	struct ask_endpoint *endpoint;	/* endpoints: each text once, as asked */
	bool self;			/* endpoints: none given, the caller is
					 * meant; n is 0 */
	bool all;			/* maps: every PID is in pid */
};

struct ask {
	unsigned families;		/* network map: bits 1u << enum family */

	/* Costs. columns[0 .. n_shown) are given in the answer in this order, the
	 * others are tested alone; filter's indexes are columns. */
	bool multi;			/* an array for each pair (RFC 8189) */
	size_t n_shown, n_columns;
	const struct service_cost *columns[SERVICE_TYPES_MAX +
	                                   FILTER_TESTS_MAX];
	struct filter filter;

	struct ask_axis src, dst;	/* network map: src are the PIDs;
					 * properties: src are the endpoints */
	size_t n_props;
	const struct service_prop **props;	/* each once, as asked */
	void *doc;			/* holds the texts */
};

/* Why a request was refused: RFC 7285 s8.5. */
struct ask_refusal {
	const char *code;		/* "E_SYNTAX", ... */
	char field[64];			/* "cost-type/cost-mode"; "" none */
	char value[256];		/* cut if longer; printable ASCII */
	bool has_value;
	char text[256];			/* a sentence for people */
};

/* RC_OK; RC_ERULE: refused, and *why says so; RC_ENOMEM. */
MUST_CHECK enum rc ask_read(const struct service *sv, const char *body,
                            size_t len, struct ask **out,
                            struct ask_refusal *why);
void ask_free(struct ask *a);				/* NULL is fine */

/* Costs: pairs times (columns + tests); properties: endpoints times properties;
 * network maps: the PIDs. */
uint64_t ask_work(const struct ask *a);

/* A typed address "ipv4:192.0.2.1" (RFC 7285 s10.4); text is kept, not copied.
 * RC_ESYNTAX: no address of a type that is known. */
MUST_CHECK enum rc ask_endpoint_read(const char *text, size_t len,
                                     struct ask_endpoint *out);

#endif
