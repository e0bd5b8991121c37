/* options.h - what both daemons are told: the command line, the settings they
 * share and the rules between those. */
#ifndef ALTOCAST_SERVICE_OPTIONS_H
#define ALTOCAST_SERVICE_OPTIONS_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/diag.h"
#include "common/net/tls.h"
#include "common/sys/conf.h"

/* Rows that both tables of settings have; the ports are theirs. */
#define OPTIONS_SETTINGS(http_listen, push_listen, admin_listen, ctl_socket) \
	{ "", "state", CONF_PATH, NULL, 0, 0, CONF_REQUIRED | CONF_WRITTEN, \
	  "directory for journal and key; made if missing" }, \
	{ "", "log", CONF_STRING, "info", 0, 0, CONF_RESTART, \
	  "least level that is logged: error, warn, info or debug" }, \
	{ "", "user", CONF_STRING, NULL, 1, 32, CONF_RESTART, \
	  "account to run as when root starts it" }, \
	{ "", "group", CONF_STRING, NULL, 1, 32, CONF_RESTART, \
	  "group to run as then; default: the account's own" }, \
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
	{ "http", "header-time", CONF_SECONDS, "10", 1, 3600, CONF_RESTART, \
	  "time for the head of a request to come" }, \
	{ "http", "body-time", CONF_SECONDS, "30", 1, 3600, CONF_RESTART, \
	  "time for the body of a request to come" }, \
	{ "http", "request", CONF_SIZE, "1M", 1024, 67108864, CONF_RESTART, \
	  "largest body of a request" }, \
	{ "http", "answer", CONF_SIZE, "64M", 65536, 2147483648, CONF_RESTART, \
	  "largest answer that is computed for a request" }, \
	{ "http", "answers", CONF_SIZE, "256M", 65536, 68719476736, \
	  CONF_RESTART, "computed answers held for clients at once, in all" }, \
	{ "http", "origins", CONF_STRINGS, NULL, 0, 64, CONF_RESTART, \
	  "web origins whose scripts may read answers: " \
	  "\"https://app.example\", or \"*\"" }, \
	{ "http", "forwarders", CONF_STRINGS, NULL, 0, 256, CONF_RESTART, \
	  "addresses or prefixes of forwarders whose word about a client's " \
	  "address is taken" }, \
	{ "http", "forwarded-header", CONF_STRING, "X-Forwarded-For", 0, 0, \
	  CONF_RESTART, "where they say it: X-Forwarded-For or Forwarded" }, \
	{ "http.tls", "certificate", CONF_PATH, NULL, 0, 0, CONF_LIVE, \
	  "certificate for clients, PEM, followed by its chain; without it " \
	  "they are served in plain HTTP" }, \
	{ "http.tls", "key", CONF_PATH, NULL, 0, 0, CONF_LIVE, \
	  "its private key, PEM" }, \
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
	{ "push", "handshakes", CONF_INT, "256", 1, 1000000, CONF_RESTART, \
	  "connections at once that are not subscribers yet" }, \
	{ "push", "message", CONF_SIZE, "64M", 1048576, 1073741824, \
	  CONF_RESTART, "largest update that travels as a message; more is " \
	  "ordered as a pull" }, \
	{ "push", "slow", CONF_SECONDS, "30", 1, 3600, CONF_RESTART, \
	  "a subscriber that takes nothing for so long is closed" }, \
	{ "push.tls", "certificate", CONF_PATH, NULL, 0, 0, CONF_LIVE, \
	  "certificate for subscribers, PEM, followed by its chain; without " \
	  "it they are served in the clear" }, \
	{ "push.tls", "key", CONF_PATH, NULL, 0, 0, CONF_LIVE, \
	  "its private key, PEM" }, \
	{ "push.tls", "client-ca", CONF_PATH, NULL, 0, 0, CONF_LIVE, \
	  "authorities, PEM: a certificate that leads to one proves the name " \
	  "in it" }, \
	{ "", "subscribers", CONF_LIST, NULL, 0, 10000, CONF_LIVE, \
	  "proxies that may subscribe" }, \
	{ "subscribers", "name", CONF_STRING, NULL, 1, 64, \
	  CONF_REQUIRED | CONF_LIVE, \
	  "the name it subscribes under" }, \
	{ "subscribers", "token-file", CONF_PATH, NULL, 0, 0, \
	  CONF_SECRET | CONF_LIVE, \
	  "file with the bearer tokens it may show, one a line" }, \
	{ "subscribers", "certificate", CONF_PATH, NULL, 0, 0, CONF_LIVE, \
	  "certificates it may show, PEM" }, \
	{ "subscribers", "uris", CONF_URIS, NULL, 0, 16, CONF_LIVE, \
	  "URIs it may announce as its own" }, \
	{ "history", "count", CONF_INT, "1000", 1, 1000000, CONF_RESTART, \
	  "updates kept for subscribers that are behind" }, \
	{ "history", "bytes", CONF_SIZE, "64M", 65536, 4294967296, \
	  CONF_RESTART, "bytes of updates kept for them" }, \
	{ "admin", "listen", CONF_LISTEN, admin_listen, 0, 0, CONF_RESTART, \
	  "where operators find /metrics, /healthz, /readyz and /status" }, \
	{ "admin", "socket", CONF_PATH, ctl_socket, 0, 0, CONF_WRITTEN, \
	  "control socket of altoctl" }

/* Rules between these settings: for the check of both tables. */
void options_check(const struct conf *c, struct buf *errors);

/* For --check: the directory of the file in this setting is not there. A service
 * manager may make it before a start. */
void options_warn_place(const struct conf *c, const char *name,
                        struct buf *lines);

/* What is allowed and still not wise: lines as of errors. */
void options_warnings(const struct conf *c, struct buf *lines);

/* Can a subscriber prove who he is? Else, on loopback, anybody is one. */
bool options_proofs(const struct conf *c);

/* That each token-file of a list holds a token and nobody else can read it. */
void options_check_tokens(const struct conf *c, const char *list,
                          struct buf *errors);

/* The identity of a listener, "http.tls" or "push.tls"; *out NULL: it has none.
 * d names the file to blame. */
MUST_CHECK enum rc options_identity(const struct conf *c, const char *group,
                                    struct tls_identity **out, struct diag *d);

/* A line about the file that a setting names. list and i are conf_blame()'s. */
void options_blame_file(const struct conf *c, struct buf *errors,
                        const char *list, long i, const char *name,
                        const struct diag *d);

/* That certificate, key and client-ca of a group can be used; each fault is said
 * at the setting that names the file. group: "http.tls", "push.tls", list "" and
 * i -1; or "tls" in element i of a list. */
void options_check_tls(const struct conf *c, const char *list, long i,
                       const char *group, struct buf *errors);
/* Is that certificate out of its time? That is a warning: a daemon that has no
 * other must start, and take a good one at a reload. */
void options_warn_tls(const struct conf *c, const char *list, long i,
                      const char *group, struct buf *lines);
/* That the setting, if there, names a file of authorities. */
void options_check_ca(const struct conf *c, const char *list, long i,
                      const char *name, struct buf *errors);

struct options_program {
	const char *name;		/* "alto-server" */
	const char *config;		/* its settings, unless it is told others */
	const struct conf_table *table;
	/* What --check looks at beside the settings, since a start would; also of
	 * settings that have errors. NULL: nothing. */
	void (*check)(const struct conf *c, struct buf *errors,
	              struct buf *warnings);
};

/* The command line of both daemons: --config, --check, --show-config, --sample,
 * --version, --help. true: go on with *conf; false: done, exit with *status. */
bool options_read(int argc, char **argv, const struct options_program *p,
                  struct conf **conf, int *status);

#endif
