#include "proxy/settings.h"

#include <string.h>

#include "common/core/sign.h"
#include "common/core/vtag.h"
#include "common/service/options.h"

static const struct conf_key keys[] = {
	OPTIONS_SETTINGS("0.0.0.0:8090", "127.0.0.1:8091", "127.0.0.1:8092",
	                 "/run/alto-proxy.sock"),
	{ "", "public-uri", CONF_URI, NULL, 0, 0, CONF_RESTART,
	  "where clients reach this proxy, ending in \"/\"; the server lists "
	  "it while it is in sync" },
	{ "", "upstream", CONF_LIST, NULL, 1, 1, CONF_REQUIRED,
	  "whose maps are redistributed" },
	{ "upstream", "directory", CONF_URI, NULL, 0, 0, CONF_REQUIRED,
	  "URI of the information resource directory" },
	{ "upstream", "mode", CONF_STRING, "push", 0, 0, CONF_RESTART,
	  "push: every change the moment it happens" },
	{ "upstream", "push", CONF_URI, NULL, 0, 0, CONF_RESTART,
	  "where to subscribe; default: as the directory says" },
	{ "upstream", "name", CONF_STRING, NULL, 1, 64, CONF_REQUIRED,
	  "the name to subscribe under" },
	{ "upstream", "key", CONF_STRINGS, NULL, 1, 8, CONF_RESTART,
	  "thumbprints of keys to trust at first (current and next)" },
	{ "upstream", "token-file", CONF_PATH, NULL, 0, 0, CONF_SECRET,
	  "file with the bearer token to show" },
	{ "upstream", "body", CONF_SIZE, "1G", 1048576, 2147483648,
	  CONF_RESTART, "largest map that is fetched" },
	{ "upstream", "waiting", CONF_SIZE, "256M", 1048576, 4294967296,
	  CONF_RESTART, "updates that may wait for a map being fetched" },
	{ "upstream", "retry-max", CONF_SECONDS, "60", 1, 86400, CONF_RESTART,
	  "longest pause before connecting again" },
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
	return strncmp(host, "127.", 4) == 0 ||
	       strncmp(host, "[::1]", 5) == 0 ||
	       (strncmp(host, "localhost", 9) == 0 &&
	        (len == 9 || host[9] == ':'));
}

static void check_upstream(const struct conf *c, long i, struct buf *errors)
{
	const char *dir = conf_list_str(c, "upstream", (size_t)i, "directory");
	const char *mode = conf_list_str(c, "upstream", (size_t)i, "mode");
	const char *name = conf_list_str(c, "upstream", (size_t)i, "name");
	size_t pins = conf_list_strings(c, "upstream", (size_t)i, "key");

	if (name && !pid_ok(name, strlen(name)))
		conf_blame(c, errors, "upstream", i, "name",
		           "not 1 to 64 letters, digits or -:@_");
	if (mode && strcmp(mode, "push") != 0)
		conf_blame(c, errors, "upstream", i, "mode",
		           "\"%s\" is not known: push", mode);
	if (dir && strncmp(dir, "http://", 7) == 0 && !pins &&
	    !uri_on_loopback(dir))
		conf_blame(c, errors, "upstream", i, "directory",
		           "http:// proves nobody's name: pin the server's "
		           "key (`altoctl status` there prints it)");
	for (size_t k = 0; k < pins; k++) {
		const char *pin = conf_list_nth(c, "upstream", (size_t)i,
		                                "key", k);

		if (strlen(pin) != THUMBPRINT_TEXT)
			conf_blame(c, errors, "upstream", i, "key",
			           "\"%s\" is not a thumbprint (43 characters "
			           "of base64url)", pin);
	}
}

static void check(const struct conf *c, struct buf *errors)
{
	const char *uri = conf_get_str(c, "public-uri");

	options_check(c, errors);
	options_check_tokens(c, "upstream", errors);
	for (size_t i = 0; i < conf_list_count(c, "upstream"); i++)
		check_upstream(c, (long)i, errors);
	if (uri && (uri[strlen(uri) - 1] != '/' ||
	    strncmp(uri, "http", 4) != 0))
		conf_blame(c, errors, "", -1, "public-uri",
		           "an http:// or https:// URI that ends in \"/\"");
}

const struct conf_table proxy_settings = {
	"alto-proxy.conf", keys, sizeof(keys) / sizeof(keys[0]), check
};
