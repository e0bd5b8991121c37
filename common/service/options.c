#include "common/service/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/core/prefix.h"
#include "common/core/vtag.h"
#include "common/service/guard.h"
#include "common/sys/clock.h"
#include "common/sys/confine.h"
#include "common/sys/file.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"
#include "common/wire/ird_json.h"

#define PUSH_PATH "/push"	/* where subscribers are served */
#define ORIGIN_MAX 512		/* a longer one is cut where it is shown */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

bool options_proofs(const struct conf *c)
{
	if (conf_get_str(c, "push.tls.client-ca"))
		return true;
	for (size_t i = 0; i < conf_list_count(c, "subscribers"); i++)
		if (conf_list_str(c, "subscribers", i, "token-file") ||
		    conf_list_str(c, "subscribers", i, "certificate"))
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_names(const struct conf *c, struct buf *errors)
{
	size_t n = conf_list_count(c, "subscribers"), have = 0;
	const char **names = calloc(n + 1, sizeof(*names));

	for (size_t i = 0; names && i < n; i++) {
		names[have] = conf_list_str(c, "subscribers", i, "name");
		have += names[have] != NULL;
	}
	if (names)
		qsort(names, have, sizeof(*names), by_name);
	for (size_t i = 1; names && i < have; i++)
		if (strcmp(names[i - 1], names[i]) == 0 &&
		    (i < 2 || strcmp(names[i - 2], names[i]) != 0))
			conf_blame(c, errors, "", -1, "subscribers",
			           "the name \"%s\" stands twice", names[i]);
	free(names);
}

/* What a proxy may announce: the server looks it up by the letter. */
static void check_uris(const struct conf *c, long i, struct buf *errors)
{
	size_t n = conf_list_strings(c, "subscribers", (size_t)i, "uris");

	for (size_t k = 0; k < n; k++) {
		const char *s = conf_list_nth(c, "subscribers", (size_t)i,
		                              "uris", k);

		if (strncmp(s, "http", 4) != 0 || s[strlen(s) - 1] != '/')
			conf_blame(c, errors, "subscribers", i, "uris", "\"%s\""
			           ": an http:// or https:// URI that ends in "
			           "\"/\", as the proxy's public-uri", s);
	}
}

static void check_subscribers(const struct conf *c, struct buf *errors)
{
	bool tls = conf_get_str(c, "push.tls.certificate") != NULL;

	for (size_t i = 0; i < conf_list_count(c, "subscribers"); i++) {
		const char *name = conf_list_str(c, "subscribers", i, "name");

		if (name && !pid_ok(name, strlen(name)))
			conf_blame(c, errors, "subscribers", (long)i, "name",
			           "\"%s\": not 1 to 64 letters, digits or "
			           "-:@_: nobody can subscribe as that", name);
		if (!tls && conf_list_is_set(c, "subscribers", i,
		                             "certificate"))
			conf_blame(c, errors, "subscribers", (long)i,
			           "certificate", "without push.tls nobody is "
			           "asked for one: set push.tls, or give it a "
			           "token-file");
		check_uris(c, (long)i, errors);
	}
}

/* One takes the other's place: the same address, or one is all of them. */
static bool collide(const struct conf_listen *a, const struct conf_listen *b)
{
	bool v6 = a->addr.ss_family == AF_INET6 ||
	          b->addr.ss_family == AF_INET6;

	if (a->port != b->port || !a->port)
		return false;
	if (a->addr.ss_family == b->addr.ss_family)
		return a->wildcard || b->wildcard || (a->len == b->len &&
		       memcmp(&a->addr, &b->addr, a->len) == 0);
	/* [::] takes IPv4 as well. */
	return v6 && ((a->wildcard && a->addr.ss_family == AF_INET6) ||
	              (b->wildcard && b->addr.ss_family == AF_INET6));
}

static void check_listeners(const struct conf *c, struct buf *errors)
{
	static const char *const names[] = {
		"http.listen", "push.listen", "admin.listen"
	};
	struct conf_listen at[3];
	bool set[3];

	for (size_t i = 0; i < 3; i++) {
		set[i] = conf_get_listen(c, names[i], &at[i]) == RC_OK;
		for (size_t k = 0; set[i] && k < i; k++)
			if (set[k] && collide(&at[k], &at[i]))
				conf_blame(c, errors, "", -1, names[i], "the "
				           "same address and port as %s",
				           names[k]);
	}
}

void options_check_tokens(const struct conf *c, const char *list,
                          struct buf *errors)
{
	for (size_t i = 0; i < conf_list_count(c, list); i++) {
		const char *file = conf_list_str(c, list, i, "token-file");
		struct diag d = { 0 };
		char *token = NULL;
		enum rc rc = file ? keyfile_token(file, &token, &d) : RC_OK;

		if (rc != RC_OK)
			conf_blame(c, errors, list, (long)i, "token-file",
			           "%s: %s", file, d.text[0] ? d.text :
			           rc_text(rc));
		keyfile_token_free(token);
	}
}

static void check_paths(const struct conf *c, struct buf *errors)
{
	const char *sock = conf_get_str(c, "admin.socket");
	const char *uri = conf_get_str(c, "push.public-uri");

	if (sock && strlen(sock) > SOCKET_PATH_MAX)
		conf_blame(c, errors, "", -1, "admin.socket", "%zu characters; "
		           "the path of a socket has at most %zu",
		           strlen(sock), SOCKET_PATH_MAX);
	if (uri && strncmp(uri, "ws://", 5) && strncmp(uri, "wss://", 6))
		conf_blame(c, errors, "", -1, "push.public-uri",
		           "\"%s\" is not a ws:// or wss:// URI", uri);
	if (uri && strlen(uri) > IRD_URI_MAX)
		conf_blame(c, errors, "", -1, "push.public-uri",
		           "longer than %d bytes", IRD_URI_MAX);
}

/* scheme://host[:port] as a browser writes it: lower case, nothing after. */
static bool is_origin(const char *s)
{
	const char *host = strstr(s, "://");

	if (!conf_text_is_uri(s) || !host || strncmp(s, "http", 4) != 0)
		return false;
	for (const char *p = s; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return false;
	return host[3 + strcspn(host + 3, "/?#@")] == '\0';
}

/* A browser leaves the scheme's own port out, and zeros in front of a port. true:
 * s has them; dst is the origin without. */
static bool other_port(const char *s, char *dst, size_t size)
{
	const char *colon = strrchr(s, ':'), *port = colon + 1;
	const char *own = s[4] == 's' ? "443" : "80";

	if (colon[1] == '/' || strchr(colon, ']'))
		return false;
	while (port[0] == '0' && port[1])
		port++;
	if (strcmp(port, own) != 0 && port == colon + 1)
		return false;
	if (strcmp(port, own) == 0)
		snprintf(dst, size, "%.*s", (int)(colon - s), s);
	else
		snprintf(dst, size, "%.*s%s", (int)(colon - s) + 1, s, port);
	return true;
}

static void check_origins(const struct conf *c, struct buf *errors)
{
	size_t n = conf_get_count(c, "http.origins");
	char right[ORIGIN_MAX];

	for (size_t i = 0; i < n; i++) {
		const char *s = conf_get_nth(c, "http.origins", i);

		if (strcmp(s, "*") == 0 && n > 1)
			conf_blame(c, errors, "", -1, "http.origins",
			           "\"*\" is all origins: name no others "
			           "beside it");
		else if (strcmp(s, "*") != 0 && !is_origin(s))
			conf_blame(c, errors, "", -1, "http.origins", "\"%s\" "
			           "is no origin: one looks like "
			           "\"https://app.example\" or "
			           "\"https://app.example:8443\", in lower case "
			           "and with nothing after", s);
		else if (strcmp(s, "*") != 0 &&
		         other_port(s, right, sizeof(right)))
			conf_blame(c, errors, "", -1, "http.origins", "\"%s\" "
			           "is no origin that a browser sends: it "
			           "writes \"%s\"", s, right);
	}
}

/* A prefix, or an address, which is one of full length. */
static enum rc read_forwarder(const char *s, struct diag *d)
{
	bool v6 = strchr(s, ':') != NULL;
	char text[PREFIX_TEXT_MAX + sizeof("/128")];
	struct prefix p;

	if (strlen(s) > PREFIX_TEXT_MAX)
		return RC_ESYNTAX;
	snprintf(text, sizeof(text), "%s%s", s, strchr(s, '/') ? "" :
	         v6 ? "/128" : "/32");
	return prefix_read(text, strlen(text), v6 ? FAMILY_IPV6 : FAMILY_IPV4,
	                   &p, d);
}

static void check_forwarders(const struct conf *c, struct buf *errors)
{
	const char *header = conf_get_str(c, "http.forwarded-header");

	for (size_t i = 0; i < conf_get_count(c, "http.forwarders"); i++) {
		const char *s = conf_get_nth(c, "http.forwarders", i);
		struct diag d = { 0 };
		enum rc rc = read_forwarder(s, &d);

		if (rc == RC_OK)
			continue;
		conf_blame(c, errors, "", -1, "http.forwarders", "\"%s\": %s", s,
		           rc == RC_ERULE && d.text[0] ? d.text : "no address "
		           "or prefix: one looks like \"192.0.2.1\" or "
		           "\"2001:db8::/32\"");
	}
	if (header && strcasecmp(header, "X-Forwarded-For") != 0 &&
	    strcasecmp(header, "Forwarded") != 0)
		conf_blame(c, errors, "", -1, "http.forwarded-header", "\"%s\" is "
		           "not known: X-Forwarded-For or Forwarded", header);
}

static void check_http(const struct conf *c, struct buf *errors)
{
	check_origins(c, errors);
	check_forwarders(c, errors);
	if (conf_get_int(c, "http.connections") <
	    conf_get_int(c, "http.threads"))
		conf_blame(c, errors, "", -1, "http.connections", "fewer than "
		           "http.threads: each thread has one at least");
	if (conf_get_int(c, "http.answers") < conf_get_int(c, "http.answer"))
		conf_blame(c, errors, "", -1, "http.answers", "less than "
		           "http.answer: the largest answer would never be "
		           "given");
}

/* ---- who is who ------------------------------------------------------------ */

static const char *of_group(const struct conf *c, const char *group,
                            const char *name)
{
	char full[CONF_NAME_MAX];

	conf_row_name(group, name, full, sizeof(full));
	return conf_get_str(c, full);
}

/* group is "http.tls" or "push.tls", or "tls" in element i of a list. */
static const char *of_tls(const struct conf *c, const char *list, long i,
                          const char *group, const char *name)
{
	char full[CONF_NAME_MAX];

	if (i < 0)
		return of_group(c, group, name);
	conf_row_name(group, name, full, sizeof(full));
	return conf_list_str(c, list, (size_t)i, full);
}

static struct tls_files files_of(const struct conf *c, const char *list,
                                 long i, const char *group)
{
	return (struct tls_files){
		.certificate = of_tls(c, list, i, group, "certificate"),
		.key = of_tls(c, list, i, group, "key"),
		.client_ca = strcmp(group, "push.tls") == 0 ?
		             of_group(c, group, "client-ca") : NULL,
	};
}

enum rc options_identity(const struct conf *c, const char *group,
                         struct tls_identity **out, struct diag *d)
{
	const struct tls_files files = files_of(c, "", -1, group);

	if (files.certificate)
		return tls_identity_load(&files, out, d);
	*out = NULL;
	return RC_OK;
}

/* At the setting that names the file which is at fault. */
void options_blame_file(const struct conf *c, struct buf *errors,
                        const char *list, long i, const char *name,
                        const struct diag *d)
{
	struct buf text = BUF_INIT(1024);

	diag_print(d, &text);
	conf_blame(c, errors, list, i, name, "%s", buf_str(&text));
	buf_free(&text);
}

void options_check_tls(const struct conf *c, const char *list, long i,
                       const char *group, struct buf *errors)
{
	static const char *const names[TLS_FILES] = {
		"certificate", "key", "client-ca"
	};
	const struct tls_files files = files_of(c, list, i, group);
	struct diag d[TLS_FILES] = { { .line = 0 } };
	struct tls_identity *id = NULL;
	char name[CONF_NAME_MAX];
	enum rc rc = RC_OK;

	if (files.certificate && files.key)
		rc = tls_identity_judge(&files, &id, d);
	else if (files.certificate || files.key)
		diag_set(&d[files.key != NULL], RC_ERULE, "%s.certificate and "
		         "%s.key go together: set the %s too", group, group,
		         files.key ? "certificate" : "key");
	if (rc == RC_ENOMEM)
		diag_set(&d[TLS_CERTIFICATE], rc, "%s", rc_text(rc));
	for (int k = 0; k < TLS_FILES; k++) {
		conf_row_name(group, names[k], name, sizeof(name));
		if (d[k].text[0])
			options_blame_file(c, errors, list, i, name, &d[k]);
	}
	tls_identity_unref(id);
}

void options_check_ca(const struct conf *c, const char *list, long i,
                      const char *name, struct buf *errors)
{
	const char *file = i < 0 ? conf_get_str(c, name) :
	                   conf_list_str(c, list, (size_t)i, name);
	struct diag d = { .line = 0 };

	if (file && tls_ca_check(file, &d) != RC_OK)
		options_blame_file(c, errors, list, i, name, &d);
}

static const char *path_of(const char *uri)
{
	const char *host = strstr(uri, "://");

	return host ? host + 3 + strcspn(host + 3, "/?") : "";
}

static void check_push_uri(const struct conf *c, struct buf *errors)
{
	const char *uri = conf_get_str(c, "push.public-uri");

	if (!uri || !conf_get_str(c, "push.tls.certificate"))
		return;
	if (strncmp(uri, "ws://", 5) == 0)
		conf_blame(c, errors, "", -1, "push.public-uri", "\"%s\": with "
		           "push.tls subscribers need a wss:// URI", uri);
	if (strcmp(path_of(uri), PUSH_PATH) != 0)
		conf_blame(c, errors, "", -1, "push.public-uri", "\"%s\": "
		           "subscribers are served at " PUSH_PATH " alone",
		           uri);
}

static void check_push(const struct conf *c, struct buf *errors)
{
	const char *uri = conf_get_str(c, "push.public-uri");
	bool tls = conf_get_str(c, "push.tls.certificate") != NULL;
	struct conf_listen push;

	if (conf_get_str(c, "push.tls.client-ca") && !tls)
		conf_blame(c, errors, "", -1, "push.tls.client-ca", "without "
		           "push.tls.certificate nobody is asked for one");
	if (conf_get_listen(c, "push.listen", &push) != RC_OK)
		return;
	if (push.wildcard && !uri)
		conf_blame(c, errors, "", -1, "push.listen", "a wildcard "
		           "address cannot be announced: set push.public-uri "
		           "to the ws:// or wss:// URI subscribers use");
	if (!push.loopback && !conf_get_bool(c, "push.anonymous") &&
	    !options_proofs(c))
		conf_blame(c, errors, "", -1, "push.listen", "not on loopback: "
		           "list subscribers with a token-file or a "
		           "certificate, or set push.tls.client-ca, or say "
		           "push.anonymous = true");
}

static void check_account(const struct conf *c, struct buf *errors)
{
	const char *user = conf_get_str(c, "user");
	const char *group = conf_get_str(c, "group");
	struct confine_who who;
	struct diag d = { 0 };

	if (group && !user)
		conf_blame(c, errors, "", -1, "group", "without user it has no "
		           "use");
	else if (user && confine_who(user, group, &who, &d) != RC_OK)
		conf_blame(c, errors, "", -1, "user", "%s", d.text);
	else if (user && geteuid() == 0)
		file_account(who.uid);		/* secrets may be its */
}

static bool has_tokens(const struct conf *c)
{
	for (size_t i = 0; i < conf_list_count(c, "subscribers"); i++)
		if (conf_list_is_set(c, "subscribers", i, "token-file"))
			return true;
	return false;
}

/* Without TLS here the URI may still be that of something in front. */
static void warn_push_uri(const struct conf *c, struct buf *lines)
{
	const char *uri = conf_get_str(c, "push.public-uri");

	if (!uri || conf_get_str(c, "push.tls.certificate"))
		return;
	if (strncmp(uri, "wss://", 6) == 0)
		conf_blame(c, lines, "", -1, "push.public-uri", "\"%s\": "
		           "push.tls is not set, so something in front of "
		           "push.listen must speak TLS", uri);
	if (strcmp(path_of(uri), PUSH_PATH) != 0)
		conf_blame(c, lines, "", -1, "push.public-uri", "\"%s\": "
		           "subscribers are served at " PUSH_PATH ", so "
		           "something in front must lead there", uri);
}

/* What is announced then is ws://127.0.0.1 of whoever reads it. One that expects
 * nobody needs no word. */
static void warn_push_hidden(const struct conf *c, struct buf *lines)
{
	struct conf_listen http, push;

	if (conf_get_listen(c, "http.listen", &http) != RC_OK ||
	    conf_get_listen(c, "push.listen", &push) != RC_OK ||
	    http.loopback || !push.loopback ||
	    !conf_get_str(c, "http.tls.certificate") ||
	    conf_get_str(c, "push.public-uri"))
		return;
	if (conf_list_count(c, "subscribers") > 0 ||
	    conf_get_bool(c, "push.anonymous") || options_proofs(c))
		conf_blame(c, lines, "", -1, "push.listen", "on loopback, so "
		           "nobody elsewhere can subscribe: set it to an "
		           "address that they reach, with push.public-uri and "
		           "push.tls");
}

void options_warn_tls(const struct conf *c, const char *list, long i,
                      const char *group, struct buf *lines)
{
	const struct tls_files files = files_of(c, list, i, group);
	char why[TLS_UNTIMELY_TEXT], name[CONF_NAME_MAX];
	struct tls_identity *id = NULL;

	conf_row_name(group, "certificate", name, sizeof(name));
	if (files.certificate && files.key &&
	    tls_identity_load(&files, &id, NULL) == RC_OK &&
	    tls_identity_untimely(id, clock_wall_s(), why))
		conf_blame(c, lines, list, i, name, "%s: the certificate %s: "
		           "others refuse it; put a good one there and reload",
		           files.certificate, why);
	tls_identity_unref(id);
}

void options_warnings(const struct conf *c, struct buf *lines)
{
	struct conf_listen at;

	if (conf_get_listen(c, "push.listen", &at) == RC_OK &&
	    !at.loopback && has_tokens(c) &&
	    !conf_get_str(c, "push.tls.certificate"))
		conf_blame(c, lines, "", -1, "push.listen", "tokens travel in "
		           "the clear: set push.tls, or have something in "
		           "front of it that speaks TLS");
	if (conf_get_listen(c, "admin.listen", &at) == RC_OK && !at.loopback)
		conf_blame(c, lines, "", -1, "admin.listen", "not on loopback, "
		           "and it asks nobody who he is: let a firewall keep "
		           "others out");
	warn_push_uri(c, lines);
	warn_push_hidden(c, lines);
	options_warn_tls(c, "", -1, "http.tls", lines);
	options_warn_tls(c, "", -1, "push.tls", lines);
}

void options_check(const struct conf *c, struct buf *errors)
{
	const char *level = conf_get_str(c, "log");
	enum log_level known;

	if (level && log_level_parse(level, &known) != RC_OK)
		conf_blame(c, errors, "", -1, "log", "\"%s\" is not known: "
		           "error, warn, info or debug", level);
	check_names(c, errors);
	check_subscribers(c, errors);
	check_listeners(c, errors);
	check_paths(c, errors);
	check_http(c, errors);
	check_account(c, errors);
	options_check_tls(c, "", -1, "http.tls", errors);
	options_check_tls(c, "", -1, "push.tls", errors);
	check_push(c, errors);
	check_push_uri(c, errors);
	guard_check(c, errors);
}
