/* options.h - what both daemons are told: the command line, the settings they
 * share and the rules between those. */
#ifndef ALTOCAST_SERVICE_OPTIONS_H
#define ALTOCAST_SERVICE_OPTIONS_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/sys/conf.h"

/* Rows that both tables of settings have; the ports are theirs. */
#define OPTIONS_SETTINGS(http_listen, push_listen, admin_listen, ctl_socket) \
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
void options_check(const struct conf *c, struct buf *errors);

/* That each token-file of a list holds a token and nobody else can read it. */
void options_check_tokens(const struct conf *c, const char *list,
                          struct buf *errors);

/* The command line of both daemons: --config, --check, --show-config, --sample,
 * --version, --help. true: go on with *conf; false: done, exit with *status. */
bool options_read(int argc, char **argv, const char *program,
                  const char *default_config, const struct conf_table *table,
                  struct conf **conf, int *status);

#endif
