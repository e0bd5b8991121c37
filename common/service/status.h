/* status.h - what a daemon's threads tell about themselves.
 *
 * Counters are atomic, any thread adds. The board holds what the writer thread
 * knows and others show; it is copied in and out under a short lock.
 */
#ifndef ALTOCAST_SERVICE_STATUS_H
#define ALTOCAST_SERVICE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/proto/sub.h"

/* name (alto_<name>_total in /metrics), help */
#define STATUS_COUNTERS(X) \
	X(publications, "States published with changed content") \
	X(heartbeats, "States signed or relayed without a change") \
	X(reloads, "Reloads asked for") \
	X(reloads_refused, "Reloads that changed nothing because of an error") \
	X(reloads_deferred, "Reloads put off by min-interval") \
	X(journal_failures, "Publications given up because the journal failed") \
	X(updates_sent, "Updates handed to subscribers") \
	X(updates_sent_bytes, "Bytes of updates handed to subscribers") \
	X(snapshots_sent, "Snapshot orders handed to subscribers") \
	X(snapshots_encoded, "Of these, written anew; others shared one") \
	X(subscribers_total, "Subscriber connections accepted") \
	X(received_bytes, "Bytes of messages from subscribers") \
	X(received_paused, "Times that a subscriber sent more than it may") \
	X(new_sessions, "Sessions begun because history was lost") \
	X(foreign_states, "Subscribers that held what this server never signed") \
	X(pulls, "Bodies fetched over HTTP") \
	X(pull_failures, "Fetches over HTTP that gave nothing usable") \
	X(missing, "Questions upstream for what clients want and is not held") \
	X(http_requests, "Requests on the client listener") \
	X(http_not_modified, "Of these, answered with 304") \
	X(http_errors, "Of these, answered with 4xx or 5xx") \
	X(http_bytes, "Body bytes queued on the client listener") \
	X(computed, "Requests to services that compute their answers") \
	X(computed_refused, "Of these, refused with an ALTO error code") \
	X(computed_heavy, "Of these, handed to the thread for long ones") \
	X(computed_put_off, "Of these, put off: too many answers at once") \
	X(coded_bodies, "Bodies of full maps coded with gzip or zstd") \
	X(coded_bytes, "Bytes that these came to") \
	X(renewals, "Certificates, tokens and subscribers read again") \
	X(renewals_refused, "Of these, changed nothing because of an error")

enum status_counter {
#define X(name, help) STATUS_##name,
	STATUS_COUNTERS(X)
#undef X
	STATUS_COUNTERS_N
};

/* The upstream of a proxy. */
struct status_upstream {
	char directory[IRD_URI_MAX + 1];
	char push[IRD_URI_MAX + 1];	/* "" until known */
	char mode[8];			/* "push", "pull" */
	char phase[16];			/* sub_phase(), or "discovering" */
	char trouble[256];		/* why it is not current; "" */
	int64_t since;			/* wall clock of the last change of phase */
	struct sub_counts counts;
	bool plain;			/* it signs nothing, as was configured */
	bool spare;			/* one of several, not the one in use */
	uint64_t polls, unchanged;	/* state documents asked for; 304 */
	uint64_t probes;		/* looks at it while another is used */
	uint64_t failures;		/* that made it be tried anew, or left */
	bool timed;			/* it has told its time: */
	int64_t clock_ms;		/* its clock less our own */
};
#define STATUS_UPSTREAMS 8

struct status;

MUST_CHECK enum rc status_new(struct status **out);
void status_free(struct status *st);			/* NULL is fine */

void status_add(struct status *st, enum status_counter c, uint64_t n);
uint64_t status_get(const struct status *st, enum status_counter c);
const char *status_counter_name(enum status_counter c);
const char *status_counter_help(enum status_counter c);

/* What the operator should know until it is over: one text a topic ("reload",
 * "journal", "clock", "fork"), with the wall clock of when it began. text NULL
 * or "": over. */
#define STATUS_TOPICS 16
struct status_trouble {
	char topic[16];
	char text[1024];
	int64_t since;
};
void status_trouble(struct status *st, const char *topic, const char *text,
                    int64_t now);
/* Copies; returns how many. */
size_t status_troubles(struct status *st,
                       struct status_trouble out[STATUS_TOPICS]);

void status_set_upstream(struct status *st, const struct status_upstream *u);
/* false: there is none (a server). The one in use, of several. */
bool status_get_upstream(struct status *st, struct status_upstream *out);
/* All of them, the preferred one first; up to STATUS_UPSTREAMS. */
void status_set_upstreams(struct status *st, const struct status_upstream *u,
                          size_t n);
size_t status_get_upstreams(struct status *st,
                            struct status_upstream out[STATUS_UPSTREAMS]);

/* A server: the key that will sign next, "" none, and from when (Unix seconds). */
struct status_next_key {
	char id[THUMBPRINT_TEXT + 1];
	int64_t from;
};
void status_set_next_key(struct status *st, const struct status_next_key *k);
void status_get_next_key(struct status *st, struct status_next_key *out);

/* A server: how many reloads wait for min-interval, until when (monotonic). */
void status_set_deferred(struct status *st, unsigned n, uint64_t due_ms);
unsigned status_get_deferred(struct status *st, uint64_t *due_ms);

/* How many subscribers are below, for the writer's answers. */
void status_set_subscribers(struct status *st, uint64_t n);
uint64_t status_subscribers(const struct status *st);

/* Closed subscriber connections by reason (static texts, few). */
#define STATUS_REASONS 32
void status_closed(struct status *st, const char *reason);
size_t status_closes(struct status *st, const char *reason[STATUS_REASONS],
                     uint64_t count[STATUS_REASONS]);
/* The same for those who are turned away before they are connected. */
void status_refused(struct status *st, const char *reason);
size_t status_refusals(struct status *st, const char *reason[STATUS_REASONS],
                       uint64_t count[STATUS_REASONS]);

#endif
