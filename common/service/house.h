/* house.h - what both daemons are made of, wired from one configuration.
 *
 * Loop (the calling thread), writer thread, HTTP threads, pull thread; slot,
 * journal, mailboxes between them; listeners for clients, subscribers and
 * operators. The server's and the proxy's writer are what differs: they give a
 * struct house_writer. Start: journal, writer's start, listeners, threads. Stop:
 * HTTP, loop, writer, journal.
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

struct loop;
struct alto_http;
struct admin_http;

/* Rows that both tables of settings have; the ports are theirs. */
#define HOUSE_SETTINGS(http_listen, push_listen, admin_listen, ctl_socket) \
	{ "", "state", CONF_PATH, NULL, 0, 0, CONF_REQUIRED, \
	  "directory for journal and key; made if missing" }, \
	{ "", "log", CONF_STRING, "info", 0, 0, CONF_RESTART, \
	  "least level that is logged: error, warn, info or debug" }, \
	{ "http", "listen", CONF_LISTEN, http_listen, 0, 0, CONF_RESTART, \
	  "where ALTO clients connect; port 0 takes a free one" }, \
	{ "http", "threads", CONF_INT, "2", 1, 64, CONF_RESTART, \
	  "threads that answer clients" }, \
	{ "http", "connections", CONF_INT, "4096", 8, 1000000, CONF_RESTART, \
	  "client connections at once, in all" }, \
	{ "http", "connections-per-address", CONF_INT, "256", 1, 1000000, \
	  CONF_RESTART, "client connections at once from one address" }, \
	{ "http", "timeout", CONF_SECONDS, "30", 1, 3600, CONF_RESTART, \
	  "a client connection is closed after so long without traffic" }, \
	{ "push", "listen", CONF_LISTEN, push_listen, 0, 0, CONF_RESTART, \
	  "where subscribers connect (WebSocket); port 0 takes a free one" }, \
	{ "push", "public-uri", CONF_URI, NULL, 0, 0, CONF_RESTART, \
	  "ws:// or wss:// URI that is announced; needed when listen is a " \
	  "wildcard" }, \
	{ "push", "anonymous", CONF_BOOL, "false", 0, 0, CONF_RESTART, \
	  "anybody may subscribe; needed when listen is not on loopback" }, \
	{ "push", "connections", CONF_INT, "10000", 1, 1000000, CONF_RESTART, \
	  "subscribers at once, in all" }, \
	{ "push", "connections-per-address", CONF_INT, "64", 1, 1000000, \
	  CONF_RESTART, "subscribers at once from one address" }, \
	{ "push", "message", CONF_SIZE, "64M", 1048576, 1073741824, \
	  CONF_RESTART, "largest update that travels as a message; more is " \
	  "ordered as a pull" }, \
	{ "push", "slow", CONF_SECONDS, "30", 1, 3600, CONF_RESTART, \
	  "a subscriber that takes nothing for so long is closed" }, \
	{ "", "subscribers", CONF_LIST, NULL, 0, 10000, CONF_RESTART, \
	  "proxies that may subscribe" }, \
	{ "subscribers", "name", CONF_STRING, NULL, 1, 64, CONF_REQUIRED, \
	  "the name it subscribes under" }, \
	{ "subscribers", "token-file", CONF_PATH, NULL, 0, 0, CONF_SECRET, \
	  "file with the bearer token it must show" }, \
	{ "subscribers", "uris", CONF_URIS, NULL, 0, 16, CONF_RESTART, \
	  "URIs it may announce as its own" }, \
	{ "history", "count", CONF_INT, "1000", 1, 1000000, CONF_RESTART, \
	  "updates kept for subscribers that are behind" }, \
	{ "history", "bytes", CONF_SIZE, "64M", 65536, 4294967296, \
	  CONF_RESTART, "bytes of updates kept for them" }, \
	{ "admin", "listen", CONF_LISTEN, admin_listen, 0, 0, CONF_RESTART, \
	  "where operators find /metrics, /healthz, /readyz and /status" }, \
	{ "admin", "socket", CONF_PATH, ctl_socket, 0, 0, CONF_RESTART, \
	  "control socket of altoctl" }

/* Rules between these settings: for the check of both tables. */
void house_check(const struct conf *c, struct buf *errors);

/* The daemon's own part. Functions run on the thread that is named. */
struct house_writer {
	/* Main, before any thread: what the journal gave back (restored->snapshot
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
	const struct ctl_command *commands;	/* beside status; NULL name ends */
	void *arg;
};

struct house_config {
	const struct conf *conf;
	const char *role;		/* "server", "proxy" */
	unsigned heartbeat;		/* seconds; a proxy: the default until its
					 * upstream says */
	bool origin;
	const struct keys *own;		/* origin: keys it has signed with; lent */
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
};

/* Runs a daemon until a signal ends it; returns the exit status. */
int house_run(struct house *h, const struct house_config *cfg);

/* Any thread: m to the writer. false: it was dropped (with cfg's drop). */
bool house_to_writer(struct house *h, struct msg *m);
/* Any thread: m to the loop. */
bool house_to_loop(struct house *h, struct msg *m);
/* Loop: the same command line that `altoctl status` gives. */
void house_status(struct ctlsock_req *req, const json_t *args, void *house);

/* The command line of both daemons: --config, --check, --show-config, --version,
 * --help. true: go on with *conf; false: done, exit with *status. */
bool house_options(int argc, char **argv, const char *program,
                   const char *default_config, const struct conf_table *table,
                   struct conf **conf, int *status);

#endif
