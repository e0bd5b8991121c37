#include "proxy/settings.h"

#include <string.h>

#include "common/core/sign.h"
#include "common/core/vtag.h"
#include "common/net/httpc.h"
#include "common/net/tls.h"
#include "common/proto/keys.h"
#include "common/service/options.h"
#include "proxy/sources.h"

static const struct conf_key keys[] = {
	OPTIONS_SETTINGS("0.0.0.0:8090", "127.0.0.1:8091", "127.0.0.1:8092",
	                 "/run/alto-proxy.sock"),
	{ "", "public-uri", CONF_URI, NULL, 0, 0, CONF_RESTART,
	  "where clients reach this proxy, ending in \"/\"; the server lists "
	  "it while it is in sync" },
	{ "", "origin", CONF_URI, NULL, 0, 0, CONF_RESTART,
	  "directory of the server that signs, whose name trust begins at; "
	  "default: the first upstream's" },
	{ "", "upstream", CONF_LIST, NULL, 1, SOURCES_MAX, CONF_REQUIRED,
	  "whose maps are redistributed; the first is preferred" },
	{ "upstream", "directory", CONF_URI, NULL, 0, 0, CONF_REQUIRED,
	  "URI of the information resource directory" },
	{ "upstream", "mode", CONF_STRING, "push", 0, 0, CONF_RESTART,
	  "push: every change the moment it happens; pull: asked for each "
	  "half heartbeat" },
	{ "upstream", "push", CONF_URI, NULL, 0, 0, CONF_RESTART,
	  "where to subscribe; default: as the directory says, if that is on "
	  "the same host, and over TLS where the directory is" },
	{ "upstream", "name", CONF_STRING, NULL, 1, 64, CONF_RESTART,
	  "the name to subscribe under, for push; the same at all" },
	{ "upstream", "key", CONF_STRINGS, NULL, 1, 8, CONF_RESTART,
	  "thumbprints of keys to trust at first (current and next)" },
	{ "upstream", "unsigned", CONF_BOOL, "false", 0, 0, CONF_RESTART,
	  "it is a plain ALTO server (RFC 7285), which signs nothing: the only "
	  "upstream then, and nothing is pushed from here" },
	{ "upstream", "refresh", CONF_SECONDS, "30", 1, 86400, CONF_RESTART,
	  "unsigned: how often it is asked; its maps are stale after three "
	  "times as long" },
	{ "upstream", "keep", CONF_SECONDS, "86400", 1, 31536000, CONF_RESTART,
	  "unsigned: for how long its maps are served while it does not "
	  "answer" },
	{ "upstream", "token-file", CONF_PATH, NULL, 0, 0, CONF_SECRET,
	  "file with the bearer token to show" },
	{ "upstream.tls", "ca", CONF_PATH, NULL, 0, 0, CONF_RESTART,
	  "authorities, PEM, that its certificate must lead to; default: the "
	  "system's" },
	{ "upstream.tls", "pin", CONF_STRING, NULL, TLS_PIN_TEXT, TLS_PIN_TEXT,
	  CONF_RESTART, "base64 of the SHA-256 of its public key, which must "
	  "be that as well" },
	{ "upstream.tls", "certificate", CONF_PATH, NULL, 0, 0, CONF_RESTART,
	  "own certificate to show, PEM, followed by its chain" },
	{ "upstream.tls", "key", CONF_PATH, NULL, 0, 0, CONF_RESTART,
	  "its private key, PEM" },
	{ "upstream", "body", CONF_SIZE, "1G", 1048576, 2147483648,
	  CONF_RESTART, "largest map that is fetched" },
	{ "upstream", "waiting", CONF_SIZE, "256M", 1048576, 4294967296,
	  CONF_RESTART, "updates that may wait for a map being fetched; the "
	  "first upstream's counts" },
	{ "upstream", "retry-max", CONF_SECONDS, "60", 1, 86400, CONF_RESTART,
	  "longest pause before trying again; the first upstream's counts" },
};

bool uri_on_loopback(const char *uri)
{
	const char *host = strstr(uri, "://");
	size_t len;

	if (!host)
		return false;
	host += 3;
	len = strcspn(host, "/?#");
	if (memchr(host, '@', len))
		return false;
	return (strncmp(host, "127.", 4) == 0 &&
	        strspn(host, "0123456789.") == strcspn(host, ":/?#")) ||
	       strncmp(host, "[::1]", 5) == 0 ||
	       (strncmp(host, "localhost", 9) == 0 &&
	        (len == 9 || host[9] == ':'));
}

static const char *text_of(const struct conf *c, long i, const char *name)
{
	return conf_list_str(c, "upstream", (size_t)i, name);
}

const char *proxy_name(const struct conf *c)
{
	const char *name = NULL;

	for (size_t i = 0; !name && i < conf_list_count(c, "upstream"); i++)
		name = text_of(c, (long)i, "name");
	return name;
}

bool proxy_unsigned(const struct conf *c)
{
	return conf_list_count(c, "upstream") > 0 &&
	       conf_list_bool(c, "upstream", 0, "unsigned");
}

static const char *path_of(const char *uri)
{
	const char *host = strstr(uri, "://");

	return host ? host + 3 + strcspn(host + 3, "/?") : "";
}

static bool is_plain(const char *uri)
{
	return strncmp(uri, "http://", 7) == 0 && !uri_on_loopback(uri);
}

static bool is_http(const char *uri)
{
	return strncmp(uri, "http", 4) == 0;
}

static bool is_ws(const char *uri)
{
	return strncmp(uri, "ws", 2) == 0;
}

static void check_mode(const struct conf *c, long i, struct buf *errors)
{
	const char *mode = text_of(c, i, "mode"), *name = text_of(c, i, "name");
	const char *push = text_of(c, i, "push");
	const char *directory = text_of(c, i, "directory");

	if (mode && strcmp(mode, "push") != 0 && strcmp(mode, "pull") != 0)
		conf_blame(c, errors, "upstream", i, "mode",
		           "\"%s\" is not known: push or pull", mode);
	else if (mode && strcmp(mode, "push") == 0 && !proxy_name(c))
		conf_blame(c, errors, "upstream", i, "name",
		           "missing: push needs a name to subscribe under");
	if (name && !pid_ok(name, strlen(name)))
		conf_blame(c, errors, "upstream", i, "name",
		           "not 1 to 64 letters, digits or -:@_");
	else if (name && strcmp(name, proxy_name(c)) != 0)
		conf_blame(c, errors, "upstream", i, "name",
		           "not that of another upstream (\"%s\"): a proxy has "
		           "one", proxy_name(c));
	if (push && !is_ws(push))
		conf_blame(c, errors, "upstream", i, "push",
		           "must be a ws:// or wss:// URI");
	/* Who takes TLS off on this very machine may. */
	else if (push && strncmp(push, "ws://", 5) == 0 &&
	         !uri_on_loopback(push) && directory &&
	         strncmp(directory, "https://", 8) == 0)
		conf_blame(c, errors, "upstream", i, "push",
		           "must be a wss:// URI, as the directory is https://");
}

/* TLS settings are for the directory and for where it subscribes. The first
 * upstream's authorities are for an origin elsewhere, too (contacts.h). */
static void check_tls_use(const struct conf *c, long i, struct buf *errors)
{
	static const char *const names[] = {
		"tls.ca", "tls.pin", "tls.certificate", "tls.key"
	};
	const char *dir = text_of(c, i, "directory");
	const char *push = text_of(c, i, "push");
	const char *origin = conf_get_str(c, "origin");

	if (!dir || strncmp(dir, "http://", 7) != 0 ||
	    (push && strncmp(push, "wss", 3) == 0))
		return;
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		if (!text_of(c, i, names[k]) || (i == 0 && k == 0 && origin &&
		    strncmp(origin, "https", 5) == 0))
			continue;
		conf_blame(c, errors, "upstream", i, names[k], "\"%s\" speaks "
		           "no TLS: this proves nothing; an https:// URI would",
		           dir);
	}
}

static void check_tls(const struct conf *c, long i, struct buf *errors)
{
	const char *pin = text_of(c, i, "tls.pin");

	options_check_tls(c, "upstream", i, "tls", errors);
	options_check_ca(c, "upstream", i, "tls.ca", errors);
	check_tls_use(c, i, errors);
	if (pin && !tls_pin_ok(pin))
		conf_blame(c, errors, "upstream", i, "tls.pin",
		           "not the base64 of a SHA-256 (44 characters)");
}

/* A second one would be asked whenever the first is down, to no end. */
static void check_directory(const struct conf *c, long i, struct buf *errors)
{
	const char *dir = text_of(c, i, "directory");

	if (dir && !is_http(dir))
		conf_blame(c, errors, "upstream", i, "directory", "\"%s\": a "
		           "directory is at an http:// or https:// URI", dir);
	for (long k = 0; dir && k < i; k++) {
		const char *other = text_of(c, k, "directory");

		if (!other || !httpc_same_origin(dir, other) ||
		    strcmp(path_of(dir), path_of(other)) != 0)
			continue;
		conf_blame(c, errors, "upstream", i, "directory", "\"%s\" is "
		           "upstream[%ld]'s, too: another one is no help when "
		           "that is down", dir, k);
		return;
	}
}

/* How many are pinned for this upstream. */
static size_t check_pins(const struct conf *c, long i, struct buf *errors)
{
	size_t n = conf_list_strings(c, "upstream", (size_t)i, "key");

	for (size_t k = 0; k < n; k++) {
		const char *pin = conf_list_nth(c, "upstream", (size_t)i,
		                                "key", k);

		if (strlen(pin) != THUMBPRINT_TEXT)
			conf_blame(c, errors, "upstream", i, "key",
			           "\"%s\" is not a thumbprint (43 characters "
			           "of base64url)", pin);
	}
	return n;
}

/* What it gives can be held against nothing: not against a key, nor against what
 * another upstream gives. */
static void check_unsigned(const struct conf *c, long i, struct buf *errors)
{
	const char *mode = text_of(c, i, "mode");

	if (!conf_list_bool(c, "upstream", (size_t)i, "unsigned"))
		return;
	if (conf_list_count(c, "upstream") > 1)
		conf_blame(c, errors, "upstream", i, "unsigned",
		           "must be the only upstream: a proxy serves either "
		           "what is signed or what is not");
	if (mode && strcmp(mode, "pull") != 0)
		conf_blame(c, errors, "upstream", i, "mode",
		           "must be \"pull\": a plain ALTO server pushes "
		           "nothing");
	if (conf_list_strings(c, "upstream", (size_t)i, "key") > 0)
		conf_blame(c, errors, "upstream", i, "key",
		           "a plain ALTO server signs nothing: no key can be "
		           "trusted for it");
	if (conf_get_str(c, "origin"))
		conf_blame(c, errors, "", -1, "origin",
		           "a plain ALTO server signs nothing: there is no "
		           "server that could vouch for it");
	if (conf_list_int(c, "upstream", (size_t)i, "keep") <
	    conf_list_int(c, "upstream", (size_t)i, "refresh"))
		conf_blame(c, errors, "upstream", i, "keep",
		           "must not be less than refresh");
}

/* Pins are of the service's keys, so those of one upstream vouch for all. */
static void check_names(const struct conf *c, size_t pins,
                        struct buf *errors)
{
	static const char why[] = "http:// proves nobody's name: pin the "
		"server's key (`altoctl status` there prints it)";
	const char *origin = conf_get_str(c, "origin");

	if (pins > KEYS_PINS_MAX)
		conf_blame(c, errors, "", -1, "upstream",
		           "%zu keys in all, %d may be", pins, KEYS_PINS_MAX);
	if (pins || proxy_unsigned(c))
		return;
	if (origin && is_plain(origin))
		conf_blame(c, errors, "", -1, "origin", "%s", why);
	for (size_t i = 0; i < conf_list_count(c, "upstream"); i++) {
		const char *dir = text_of(c, (long)i, "directory");

		if (dir && is_plain(dir))
			conf_blame(c, errors, "upstream", (long)i,
			           "directory", "%s", why);
	}
}

static void check(const struct conf *c, struct buf *errors)
{
	const char *uri = conf_get_str(c, "public-uri");
	const char *origin = conf_get_str(c, "origin");
	size_t pins = 0;

	options_check(c, errors);
	options_check_tokens(c, "upstream", errors);
	for (size_t i = 0; i < conf_list_count(c, "upstream"); i++) {
		check_directory(c, (long)i, errors);
		check_mode(c, (long)i, errors);
		check_tls(c, (long)i, errors);
		check_unsigned(c, (long)i, errors);
		pins += check_pins(c, (long)i, errors);
	}
	check_names(c, pins, errors);
	if (origin && !is_http(origin))
		conf_blame(c, errors, "", -1, "origin", "\"%s\": a directory "
		           "is at an http:// or https:// URI", origin);
	if (uri && (uri[strlen(uri) - 1] != '/' || !is_http(uri)))
		conf_blame(c, errors, "", -1, "public-uri",
		           "an http:// or https:// URI that ends in \"/\"");
}

/* One that subscribes nowhere says nobody where it is. */
static bool only_pulls(const struct conf *c)
{
	for (size_t i = 0; i < conf_list_count(c, "upstream"); i++) {
		const char *mode = text_of(c, (long)i, "mode");

		if (!mode || strcmp(mode, "pull") != 0)
			return false;
	}
	return conf_list_count(c, "upstream") > 0;
}

void proxy_warnings(const struct conf *c, struct buf *lines)
{
	if (conf_get_str(c, "public-uri") && only_pulls(c))
		conf_blame(c, lines, "", -1, "public-uri", "no upstream has mode "
		           "= \"push\": the server lists those alone that "
		           "subscribe");
	for (size_t i = 0; i < conf_list_count(c, "upstream"); i++)
		options_warn_tls(c, "upstream", (long)i, "tls", lines);
}

void proxy_check(const struct conf *c, struct buf *errors,
                 struct buf *warnings)
{
	(void)errors;
	proxy_warnings(c, warnings);
}

const struct conf_table proxy_settings = {
	"alto-proxy.conf", keys, sizeof(keys) / sizeof(keys[0]), check
};
