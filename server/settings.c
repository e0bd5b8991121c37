#include "server/settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/enc.h"
#include "common/core/sign.h"
#include "common/core/vtag.h"
#include "common/service/options.h"
#include "common/sys/file.h"
#include "common/sys/keyfile.h"
#include "common/wire/ird_json.h"
#include "common/wire/state_json.h"
#include "common/wire/service.h"

static const struct conf_key keys[] = {
	OPTIONS_SETTINGS("0.0.0.0:8080", "127.0.0.1:8081", "127.0.0.1:8082",
	                 "/run/alto-server.sock"),
	{ "", "service", CONF_STRING, NULL, 36, 36, CONF_RESTART,
	  "UUID of the service; made on the first start" },
	{ "", "heartbeat", CONF_SECONDS, "60", 1, 3600, CONF_RESTART,
	  "the state is signed anew this often; older than three: stale" },
	{ "", "min-interval", CONF_SECONDS, "0", 0, 3600, CONF_RESTART,
	  "changes of the maps are published no closer together; 0: at once" },
	{ "", "ca", CONF_PATH, NULL, 0, 0, CONF_RESTART,
	  "PEM file of the authorities that proxies' certificates lead to when "
	  "they are checked for the list; default: the system's" },
	{ "", "watch", CONF_BOOL, "false", 0, 0, CONF_RESTART,
	  "read a map file by itself when it changes" },
	{ "signing", "key", CONF_PATH, NULL, 0, 0, CONF_WRITTEN,
	  "Ed25519 private key, PEM; default signing.pem in the state "
	  "directory; made on the first start" },
	{ "signing", "lifetime", CONF_SECONDS, "86400", 60, STATE_LIFE_MAX,
	  CONF_RESTART, "how long a signature is good" },
	{ "", "maps", CONF_LIST, NULL, 1, 999, CONF_REQUIRED,
	  "the maps that are served" },
	{ "maps", "id", CONF_STRING, NULL, 1, ID_MAX, CONF_REQUIRED,
	  "resource-id, as the file states it" },
	{ "maps", "file", CONF_PATH, NULL, 0, 0, CONF_REQUIRED,
	  "RFC 7285 network map or cost map, or RFC 9240 property map" },
	{ "maps", "default", CONF_BOOL, "false", 0, 0, CONF_RESTART,
	  "the default network map (RFC 7285 s9.2.3)" },
	{ "maps", "rebind", CONF_BOOL, "false", 0, 0, CONF_RESTART,
	  "take a cost map whatever tag of the network map it names" },
	{ "maps", "ordinal", CONF_BOOL, "false", 0, 0, CONF_RESTART,
	  "numerical costs are also offered as ranks" },
	{ "maps", "testable", CONF_BOOL, "true", 0, 0, CONF_RESTART,
	  "constraints in requests may refer to these costs" },
	{ "services", "filtered", CONF_BOOL, "true", 0, 0, CONF_RESTART,
	  "offer filtered network maps and cost maps" },
	{ "services", "endpoint-cost", CONF_BOOL, "true", 0, 0, CONF_RESTART,
	  "offer costs between addresses" },
	{ "services", "max-cost-types", CONF_INT, "8", 0, SERVICE_TYPES_MAX,
	  CONF_RESTART, "cost types in one request (RFC 8189); 0: one, without "
	  "RFC 8189" },
	{ "services", "endpoint-cost-vtag", CONF_BOOL, "false", 0, 0,
	  CONF_RESTART, "endpoint cost answers name the network map's version in "
	  "meta.vtag; some clients want it" },
	{ "", "directories", CONF_LIST, NULL, 0, IRD_LINKS_MAX, CONF_RESTART,
	  "other directories that this one links to (RFC 7285 s9.2.4)" },
	{ "directories", "id", CONF_STRING, NULL, 1, ID_MAX, CONF_REQUIRED,
	  "resource-id of the link" },
	{ "directories", "uri", CONF_URI, NULL, 0, 0, CONF_REQUIRED,
	  "where that directory is" },
};

/* What is computed from a network map, under an id that begins with that map's
 * (ird_json.h); the setting offers it. */
static const struct { const char *suffix, *setting; } computed[] = {
	{ ":filtered", "services.filtered" },
	{ ":filtered-cost", "services.filtered" },
	{ ":endpoint-cost", "services.endpoint-cost" },
};

/* Is id among the first n of a list? */
static bool stands(const struct conf *c, const char *list, size_t n,
                   const char *id)
{
	for (size_t i = 0; i < n; i++) {
		const char *other = conf_list_str(c, list, i, "id");

		if (other && strcmp(other, id) == 0)
			return true;
	}
	return false;
}

/* An id that a service will have, whatever the files say. The kind of the map that
 * it is named after is not known yet, but nobody calls a map so by accident. */
static void check_computed(const struct conf *c, const char *list, size_t i,
                           struct buf *errors)
{
	const char *id = conf_list_str(c, list, i, "id");

	if (strcmp(id, "endpoint-properties") == 0)
		conf_blame(c, errors, list, (long)i, "id", "\"%s\" is the id of "
		           "the endpoint property service: take another", id);
	for (size_t k = 0; k < conf_list_count(c, "maps"); k++) {
		const char *map = conf_list_str(c, "maps", k, "id");
		size_t len = map ? strlen(map) : 0;

		/* One that stands twice has its services once. */
		if (!map || strncmp(id, map, len) != 0 ||
		    stands(c, "maps", k, map))
			continue;
		for (size_t s = 0; s < sizeof(computed) / sizeof(computed[0]);
		     s++)
			if (strcmp(id + len, computed[s].suffix) == 0 &&
			    conf_get_bool(c, computed[s].setting))
				conf_blame(c, errors, list, (long)i, "id",
				           "\"%s\" is the id of a service "
				           "computed from \"%s\": take another,"
				           " or set %s = false", id, map,
				           computed[s].setting);
	}
}

/* An id of a map or a link: right, and not taken by a map, or one before it in its
 * list, or a service. Each clash is said once. */
static void check_id(const struct conf *c, const char *list, size_t i,
                     struct buf *errors)
{
	const char *id = conf_list_str(c, list, i, "id");

	if (!id)
		return;
	if (!resource_id_ok(id, strlen(id)))
		conf_blame(c, errors, list, (long)i, "id",
		           "not a resource-id (1 to 64 letters, digits or "
		           "-:@_; RFC 7285 s10.2)");
	if (stands(c, list, i, id))
		conf_blame(c, errors, list, (long)i, "id",
		           "\"%s\" stands twice", id);
	else if (strcmp(list, "maps") != 0 &&
	         stands(c, "maps", conf_list_count(c, "maps"), id))
		conf_blame(c, errors, list, (long)i, "id", "\"%s\" is a map's",
		           id);
	else
		check_computed(c, list, i, errors);
}

static void check_maps(const struct conf *c, struct buf *errors)
{
	size_t n = conf_list_count(c, "maps"), defaults = 0;

	for (size_t i = 0; i < n; i++) {
		check_id(c, "maps", i, errors);
		defaults += conf_list_bool(c, "maps", i, "default");
	}
	if (defaults > 1)
		conf_blame(c, errors, "maps", 0, "default",
		           "more than one default network map");
}

static void check_directories(const struct conf *c, struct buf *errors)
{
	for (size_t i = 0; i < conf_list_count(c, "directories"); i++) {
		const char *uri = conf_list_str(c, "directories", i, "uri");

		check_id(c, "directories", i, errors);
		if (uri && strncmp(uri, "http", 4) != 0)
			conf_blame(c, errors, "directories", (long)i, "uri",
			           "an http:// or https:// URI");
		if (uri && strlen(uri) > IRD_URI_MAX)
			conf_blame(c, errors, "directories", (long)i, "uri",
			           "longer than %d bytes", IRD_URI_MAX);
	}
}

/* One that is not there is made at the first start. */
static void check_key(const struct conf *c, struct buf *errors)
{
	const char *state = conf_get_str(c, "state");
	const char *set = conf_get_str(c, "signing.key");
	struct sign_key *key = NULL;
	struct diag d = { 0 };
	char *file = NULL;
	enum rc rc;

	if (!state || file_path_join(state, set ? set : "signing.pem",
	                             &file) != RC_OK)
		return;
	rc = keyfile_load(file, &key, &d);
	if (rc != RC_OK && rc != RC_ENOENT)
		conf_blame(c, errors, "", -1, "signing.key", "%s: %s", file,
		           d.text[0] ? d.text : rc_text(rc));
	sign_key_free(key);
	free(file);
}

static void check(const struct conf *c, struct buf *errors)
{
	const char *service = conf_get_str(c, "service");

	options_check(c, errors);
	options_check_ca(c, "", -1, "ca", errors);
	check_key(c, errors);
	check_maps(c, errors);
	check_directories(c, errors);
	if (service && !enc_uuid_ok(service))
		conf_blame(c, errors, "", -1, "service",
		           "not a UUID in lower case");
	if (conf_get_int(c, "signing.lifetime") <
	    3 * conf_get_int(c, "heartbeat"))
		conf_blame(c, errors, "", -1, "signing.lifetime",
		           "shorter than three heartbeats: proxies would "
		           "serve nothing at the first lost one");
}

const struct conf_table server_settings = {
	"alto-server.conf", keys, sizeof(keys) / sizeof(keys[0]), check
};
