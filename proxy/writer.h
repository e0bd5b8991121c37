/* writer.h - the writer's state: inside of the proxy's writer only.
 *
 * life.c is its life and its messages, fetch.c asks by HTTP, serve.c journals and
 * serves, drive.c carries out what proto/sub says, channel.c keeps the push channel,
 * poll.c asks for the state document where there is none, plain.c asks a server that
 * signs nothing, trust.c is what only the origin may say, show.c what others are told.
 * Writer thread.
 */
#ifndef ALTOCAST_PROXY_WRITER_H
#define ALTOCAST_PROXY_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/proto/sub.h"
#include "common/service/backup.h"
#include "common/service/house.h"
#include "common/service/pull.h"
#include "common/service/status.h"
#include "proxy/applier.h"
#include "proxy/contacts.h"
#include "proxy/sources.h"

#define HEARTBEAT_S	60	/* until an IRD says */
#define FALLBACK_AFTER	2	/* connects that failed before it polls */
#define STUCK_MS	30000	/* without anything: another may be better */
#define FETCH_RATE	(64u << 10)	/* bytes a second that a line must carry */
#define WHY_MAX		256

/* What was asked for. */
enum fetch_kind {
	FETCH_PUSH = 1,		/* a directory, for where to subscribe, */
	FETCH_COLD,		/* or for where the state document is */
	FETCH_STATE,
	FETCH_BODY,
	FETCH_PROBE,		/* the state document of another upstream */
	FETCH_KEYS,		/* the origin's directory, first or after SUB_KEY, */
	FETCH_TRUST_KEYS,	/* and for the operator, with */
	FETCH_TRUST_STATE,	/* its state document */
	FETCH_PLAIN		/* anything of a plain server */
};

enum channel_phase { CHANNEL_IDLE, CHANNEL_ASK, CHANNEL_CONNECT, CHANNEL_OPEN };

/* An upstream that answers a poll again is first given the chance to open the
 * channel: what it then sends is less than what would be fetched. */
enum channel_chance { CHANCE_NONE, CHANCE_GIVEN, CHANCE_MISSED };

struct channel {
	enum channel_phase phase;
	uint64_t conn;			/* number of the newest connection */
	uint64_t ticket;		/* ASK */
	uint64_t heard_ms, beat_ms;	/* OPEN */
	bool reloaded;			/* CONNECT: it is opened with the token of
					 * before a reload */
	bool greeted;			/* OPEN: its hello has come, */
	bool led;			/* and something that was verified; also by
					 * polls, since they went well */
	unsigned misses;		/* connections since one that led on */
	unsigned down;			/* failures since it was open */
	enum channel_chance chance;
};

struct poll {
	bool failed;			/* the last one */
	uint64_t due_ms;
	uint64_t ticket;		/* of the request under way; 0: none */
	bool no_cache;			/* that one */
	bool round;			/* sub works on what a poll brought */
	bool fallback;			/* polls do what the channel should */
	char uri[IRD_URI_MAX + 1];	/* of the state document, while nothing is
					 * held; "": not known */
};

enum trust_step { TRUST_NONE, TRUST_KEYS, TRUST_STATE, TRUST_ROUND };

struct trust {
	uint64_t asked_ms;		/* FETCH_KEYS last, plus one; 0: never */
	uint64_t ticket;		/* of it */
	bool began;			/* there was a first time to ask, */
	bool first;			/* and all else waits for the answer */
	enum trust_step step;		/* the operator's command */
	uint64_t step_ticket;
	struct ctlsock_req *req;
};

/* Bodies that had to be asked for again. */
#define RETRIES_MAX 64u
struct retry {
	char id[ID_MAX + 1];
	unsigned tries;
};

struct applier {
	struct house *house;
	const struct conf *conf;
	struct miss *miss;		/* or NULL */
	struct contacts *contacts;
	struct sources *sources;
	struct pull *aside;		/* small questions, which must not wait
					 * behind a map */
	struct sub *sub;
	struct snapshot *now;		/* served, or NULL */
	unsigned heartbeat;		/* of the IRD that is served; 0: none is */
	char state_uri[IRD_URI_MAX + 1];	/* as it says; "": none is */
	struct channel channel;
	struct poll poll;
	struct trust trust;
	struct ctlsock_req *resync;	/* who waits for it */
	bool resyncing;
	struct backup backup;
	struct keys kept;		/* as journalled last */
	uint64_t begun_ms;		/* monotonic */
	uint64_t behind_ms;		/* since when there is more than what is
					 * served, without a step; 0: there is not */
	uint64_t allowed_ms;		/* for bodies, since the last step */
	bool stuck;			/* and it had the time */
	bool unwritten;			/* the journal failed last: that nothing is
					 * new is nobody else's fault */
	struct position from;		/* where it or `trust` began */
	size_t n_retries;
	struct retry retries[RETRIES_MAX];
	uint64_t probe_ticket;
	size_t probed;
	unsigned told_beat;
	struct frame_path told_path;
	struct sub_counts counted;	/* as last shown */
	size_t n;
	struct status_upstream shown[SOURCES_MAX];
	/* A spare one: what was held when it was seen below that, 0 it was not, */
	struct {
		struct position pos;
		int64_t created;
	} above[SOURCES_MAX];
	bool forked[SOURCES_MAX];	/* and it has another history */
	uint64_t barred_ms[SOURCES_MAX];	/* it refused our subscription, and is
					 * not gone back to till then; 0: not */
	bool late;			/* by our clock all that comes is stale */
	char push[SOURCES_MAX][IRD_URI_MAX + 1];	/* as discovered */
	struct plain *plain;		/* the upstream signs nothing; or NULL */
	atomic_bool lost;		/* the outcome of a request */
};

/* ---- fetch.c --------------------------------------------------------------- */

struct fetch {
	enum fetch_kind kind;
	const struct contact *who;
	const char *id, *uri;		/* relative to the directory of who */
	const char *if_none_match;	/* or NULL */
	uint64_t number;		/* of what sub wants */
	uint64_t size;			/* of the body that is expected */
	bool no_cache;
	unsigned within;		/* seconds */
};
/* The outcome comes as MSG_FETCHED with the ticket. RC_ERULE: uri leads to another
 * origin. */
MUST_CHECK enum rc fetch_start(struct applier *a, const struct fetch *f,
                               uint64_t *ticket);
/* From whom the body is to be had now: the one in use, that again, the next one,
 * and the first again. */
const struct contact *fetch_from(struct applier *a, const char *id,
                                 bool again);
/* Why there was no answer of status 200. */
void fetch_why(const struct pull_result *r, char why[WHY_MAX]);
/* A directory that does not speak of redistribution? */
bool fetch_is_plain(const struct httpc_answer *w);
#define PLAIN "a plain ALTO server (RFC 7285): its directory names no signed " \
	"state to redistribute (upstream.unsigned takes it without)"
/* The headers of a body and the body. */
struct sub_body fetch_body(const struct pull_result *r);

/* ---- serve.c --------------------------------------------------------------- */

MUST_CHECK enum rc serve(struct applier *a, const struct sub_act *act);
/* a->now is another one, or comes from the journal. */
void serve_look(struct applier *a);
/* The trusted keys have changed without anything to serve. */
void serve_keys(struct applier *a);

/* ---- drive.c --------------------------------------------------------------- */

/* Everything that sub wants, until it waits. rc: of the input before. Out of memory
 * ends the connection or the round: what is served stays. */
void drive(struct applier *a, enum rc rc);
void drive_body(struct applier *a, const struct pull_result *r);

/* ---- channel.c ------------------------------------------------------------- */

void channel_message(struct applier *a, struct msg_upstream *m);
void channel_found(struct applier *a, const struct pull_result *r);
/* It ended, by our own doing or not: when is the next try, and at whom? */
void channel_failed(struct applier *a, enum source_fault f, const char *why,
                    unsigned retry_after);
/* Closes it, if there is one. No fault of the other side. */
void channel_close(struct applier *a, int code, const char *reason);
/* What is due; returns when there is more. */
uint64_t channel_tick(struct applier *a, uint64_t now);
/* Tokens were read again: the connection shows the one of now (`credentials`), also
 * when it is the same, for the other side may not have known it before. */
void channel_reloaded(struct applier *a);
/* Another upstream is in use. */
void channel_switched(struct applier *a, const char *why);

/* ---- poll.c ---------------------------------------------------------------- */

/* How a poll ended. */
struct poll_end {
	bool failed;
	enum source_fault fault;	/* failed */
	unsigned retry_after;		/* failed */
	const char *why;		/* of trouble, or NULL */
};
/* Does it poll, as things are? */
bool poll_wanted(const struct applier *a);
/* Asks now, unless one is under way; sub must have no connection. */
void poll_start(struct applier *a, bool no_cache);
void poll_answer(struct applier *a, const struct pull_result *r);
void poll_over(struct applier *a, const struct poll_end *e);
uint64_t poll_tick(struct applier *a, uint64_t now);
/* Whatever is under way does not count any more. */
void poll_forget(struct applier *a);

/* Looks at an upstream that is not in use. */
void probe_answer(struct applier *a, const struct pull_result *r);
uint64_t probe_tick(struct applier *a, uint64_t now);

/* ---- plain.c --------------------------------------------------------------- */

/* The upstream is `unsigned`: nothing of sub, channel, poll and trust is used.
 * RC_EEXIST: the journal holds signed maps. */
MUST_CHECK enum rc plain_open(struct applier *a, const struct restored *restored,
                              struct diag *d);
void plain_free(struct applier *a);
/* true: m was a command that goes another way here, and is done with. */
bool plain_command(struct applier *a, struct msg *m);
void plain_answer(struct applier *a, const struct pull_result *r);
/* In place of applier_tick(). */
uint64_t plain_tick(struct applier *a);

/* ---- trust.c --------------------------------------------------------------- */

/* Signed by an unknown key: what does the origin say? Not more than once a minute. */
void trust_ask(struct applier *a);
/* Before the first contact, when no key is known and no upstream would be believed. */
void trust_begin(struct applier *a);
void trust_answer(struct applier *a, const struct pull_result *r);
void trust_command(struct applier *a, struct ctlsock_req *req);
/* Does it hold up everything else? */
bool trust_busy(const struct applier *a);
/* Notes where it stands, for the answer to a command. */
void trust_from(struct applier *a);
/* The round it began is over. why NULL: it went well. */
void trust_over(struct applier *a, const char *why);

/* ---- show.c ---------------------------------------------------------------- */

void tell(struct applier *a, int kind, const char *text, size_t len,
          unsigned number);
void tell_connect(struct applier *a, const char *uri,
                  const struct contact *who);
void tell_hello(struct applier *a);
/* text, one JSON object, is taken over; req may be NULL. */
void tell_text(struct applier *a, struct ctlsock_req *req, struct buf *text);
/* error NULL: it went well. req may be NULL; from, where it stood before, too. */
void tell_answer(struct applier *a, struct ctlsock_req *req,
                 const struct position *from, const char *error);
/* The phase of the upstream in use. trouble NULL: as before, none once it is
 * current. */
void show(struct applier *a, const char *phase, const char *trouble);
/* The directory of the upstream in use, for logs. */
const char *show_at(const struct applier *a);
/* A trouble of it, under that topic. */
void show_trouble(struct applier *a, const char *topic, const char *why);
/* Its connection ended: logs that, as what the operator must mend when it was
 * refused. */
void show_closed(struct applier *a, const char *why);
/* One that is not in use was looked at. */
#define BELOW "below what is held"	/* stands in why then */
struct probed {
	char why[WHY_MAX];		/* it is not gone back to; "": it is well */
	bool fork;			/* it has another history than we: trouble */
};
void show_probed(struct applier *a, size_t i, const struct probed *p);
/* The clock of an upstream, in milliseconds since 1970. */
void show_clock(struct applier *a, size_t i, int64_t theirs_ms);
void show_date(struct applier *a, size_t i, const struct httpc_answer *w);
/* What is wrong with an answer; first that our clock differs from its own. */
void show_why(const struct httpc_answer *w, const char *what,
              char why[WHY_MAX]);

#endif
