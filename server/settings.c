#include "server/settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/enc.h"
#include "common/core/sign.h"
#include "common/core/vtag.h"
#include "common/service/options.h"
#include "common/sys/file.h"
#include "common/sys/keyfile.h"

static const struct conf_key keys[] = {
	OPTIONS_SETTINGS("0.0.0.0:8080", "127.0.0.1:8081", "127.0.0.1:8082",
	                 "/run/alto-server.sock"),
	{ "", "service", CONF_STRING, NULL, 36, 36, CONF_RESTART,
	  "UUID of the service; made on the first start" },
	{ "", "heartbeat", CONF_SECONDS, "60", 1, 3600, CONF_RESTART,
	  "the state is signed anew this often; older than three: stale" },
	{ "", "watch", CONF_BOOL, "false", 0, 0, CONF_RESTART,
	  "read a map file by itself when it changes" },
	{ "signing", "key", CONF_PATH, NULL, 0, 0, CONF_RESTART,
	  "Ed25519 private key, PEM; default signing.pem in the state "
	  "directory; made on the first start" },
	{ "signing", "lifetime", CONF_SECONDS, "86400", 60, 31536000,
	  CONF_RESTART, "how long a signature is good" },
	{ "", "maps", CONF_LIST, NULL, 1, 999, CONF_REQUIRED,
	  "the maps that are served" },
	{ "maps", "id", CONF_STRING, NULL, 1, ID_MAX, CONF_REQUIRED,
	  "resource-id, as the file states it" },
	{ "maps", "file", CONF_PATH, NULL, 0, 0, CONF_REQUIRED,
	  "RFC 7285 network map or cost map" },
	{ "maps", "default", CONF_BOOL, "false", 0, 0, CONF_RESTART,
	  "the default network map (RFC 7285 s9.2.3)" },
	{ "maps", "rebind", CONF_BOOL, "false", 0, 0, CONF_RESTART,
	  "take a cost map whatever tag of the network map it names" },
};

static void check_maps(const struct conf *c, struct buf *errors)
{
	size_t n = conf_list_count(c, "maps"), defaults = 0;

	for (size_t i = 0; i < n; i++) {
		const char *id = conf_list_str(c, "maps", i, "id");

		if (!id)
			continue;
		if (!resource_id_ok(id, strlen(id)))
			conf_blame(c, errors, "maps", (long)i, "id",
			           "not a resource-id (1 to 64 letters, digits "
			           "or -:@_; RFC 7285 s10.2)");
		for (size_t k = 0; k < i; k++) {
			const char *other = conf_list_str(c, "maps", k, "id");

			if (other && strcmp(other, id) == 0)
				conf_blame(c, errors, "maps", (long)i, "id",
				           "\"%s\" stands twice", id);
		}
		defaults += conf_list_bool(c, "maps", i, "default");
	}
	if (defaults > 1)
		conf_blame(c, errors, "maps", 0, "default",
		           "more than one default network map");
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
	check_key(c, errors);
	check_maps(c, errors);
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
