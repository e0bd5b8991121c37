/* house.h - what both daemons are made of, wired from one configuration.
 *
 * Loop (the calling thread), writer thread, HTTP threads, pull thread; slot,
 * journal, mailboxes between them; listeners for clients, subscribers and
 * operators. The server's and the proxy's writer are what differs: they give a
 * struct house_writer. Start: journal, writer's start, listeners, threads.
 * Stop: HTTP, loop, writer, journal.
 */
#ifndef ALTOCAST_SERVICE_HOUSE_H
#define ALTOCAST_SERVICE_HOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/proto/keys.h"
#include "common/service/ctl.h"
#include "common/service/publish.h"
#include "common/service/pull.h"
#include "common/service/push.h"
#include "common/service/report.h"
#include "common/service/restore.h"
#include "common/service/status.h"
#include "common/sys/conf.h"
#include "common/sys/journal.h"
#include "common/sys/mailbox.h"
#include "common/sys/slot.h"

struct house_part;
struct loop;
struct alto_http;
struct admin_http;

/* The daemon's own part. Functions run on the thread that is named. */
struct house_writer {
	/* Main, before any thread: what the journal gave back (its snapshot
	 * NULL: it was empty); may publish. On failure d says why. */
	enum rc (*start)(void *arg, struct restored *restored, struct diag *d);
	/* Writer: one message (frees it). */
	void (*message)(void *arg, struct msg *m);
	/* Writer, after messages and when the time it gave last is over: does
	 * what is due, returns milliseconds until the next time. */
	uint64_t (*tick)(void *arg);
	/* Any thread: frees a message that nobody will handle. */
	void (*drop)(struct msg *m);
	/* Loop: a message that is not the house's own (frees it). */
	void (*on_loop)(void *arg, struct msg *m);
	/* Loop: the house has handled a publication. May be NULL. */
	void (*published)(void *arg, struct snapshot *next);
	/* Loop, once, when all listeners are up: timers, watches, upstream. */
	enum rc (*ready)(void *arg, struct diag *d);
	/* Loop: it is about to end; time to say good-bye. May be NULL. */
	void (*leave)(void *arg);
	/* Loop: SIGHUP. May be NULL. */
	void (*hangup)(void *arg);
	/* Main, on the way out, the writer thread being gone. May be NULL. */
	void (*stop)(void *arg);
	const struct ctl_command *commands;	/* to a NULL name */
	void *arg;
};

struct house_config {
	const struct conf *conf;
	const char *role;		/* "server", "proxy" */
	unsigned heartbeat;		/* seconds; a proxy: the default until
					 * its upstream says */
	bool origin;
	const struct keys *own;		/* origin: keys it signed with; lent */
	void (*ahead)(const struct position *have, void *arg);
	void (*subscribers)(void *arg);	/* something changed; may be NULL */
	struct house_writer writer;
};

struct house {
	struct house_config cfg;
	char instance[UUID_TEXT + 1];
	struct loop *loop;
	struct mailbox *loop_box, *writer_box;
	struct slot *slot;
	struct status *status;
	struct journal *journal;
	struct pull *pull;
	struct push *push;
	struct alto_http *http;
	struct admin_http *admin;
	struct publish publish;		/* writer */
	struct report report;		/* loop */
	struct snapshot *head;		/* loop: of the last message handled */
	char push_uri[IRD_URI_MAX + 1];	/* announced */
	struct house_part *part;	/* of house*.c alone */
};

/* Runs a daemon until a signal ends it; returns the exit status. */
int house_run(struct house *h, const struct house_config *cfg);

/* Any thread: m to the writer. false: it was dropped (with cfg's drop). */
bool house_to_writer(struct house *h, struct msg *m);
/* Any thread: m to the loop. */
bool house_to_loop(struct house *h, struct msg *m);
/* Loop: the same command line that `altoctl status` gives. */
void house_status(struct ctlsock_req *req, const json_t *args, void *house);

/* Loop: `altoctl drain`: {"over": seconds, 0 to 3600, default 10}. Subscribers are
 * sent away within that time, clients are served until it is over; then the daemon
 * ends by itself, with exit status 0. */
void house_drain(struct ctlsock_req *req, const json_t *args, void *house);

/* What a reload did beside the maps; each of them lines. */
struct renewal {
	struct buf errors;		/* all stays as it was, and why */
	struct buf renewed;		/* settings whose files said something new */
	struct buf restart;		/* settings that are new in the file, and
					 * need a restart */
	struct buf shown;		/* for the log: what is shown and believed
					 * now */
};
void renewal_init(struct renewal *r);
void renewal_free(struct renewal *r);
/* Members of an answer: "renewed" and "restart", arrays of names. */
void renewal_put(const struct renewal *r, struct buf *dst);
/* The lines of the log, once all of it is known. Any thread. */
void renewal_log(const struct renewal *r, const char *role);

/* Loop, at `altoctl reload` and SIGHUP: reads certificates, keys, tokens and the
 * setting `subscribers` again, as a whole. All good: they are exchanged, and no
 * connection is dropped but of those who could not subscribe any more. Else all
 * stays as it was: told.errors gets the reasons, as do status and log. That it went
 * well is for the caller to log, who may have renewed more. */
enum rc house_renew(struct house *h, struct renewal *told);

#endif
