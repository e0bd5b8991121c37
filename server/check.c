#include "server/check.h"

#include <string.h>

#include "common/core/resource.h"
#include "common/core/vtag.h"
#include "server/mapset.h"
#include "server/source.h"

/* Without its settings a map cannot be read; true: all can. */
static bool leave_out(struct mapset *s)
{
	bool all = true;

	for (size_t i = 0; i < s->n; i++) {
		struct map_entry *m = &s->maps[i];

		if (m->id && m->file && resource_id_ok(m->id, strlen(m->id)))
			continue;
		m->id = "";
		m->file = NULL;
		all = false;
	}
	return all;
}

static bool has_cost(const struct mapset *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (resource_kind(s->maps[i].next) == RESOURCE_COSTMAP)
			return true;
	return false;
}

static void check_whole(const struct mapset *s, struct buf *errors,
                        struct buf *warnings)
{
	if (!mapset_default(s, NULL))
		conf_blame(s->conf, errors, "", -1, "maps", "no network map "
		           "among the maps (RFC 7285 s9.2.3)");
	if (!has_cost(s))
		conf_blame(s->conf, warnings, "", -1, "maps", "no cost map "
		           "among the maps: RFC 7285 wants one (s9.2.2)");
}

void server_check(const struct conf *c, struct buf *errors,
                  struct buf *warnings)
{
	struct mapset *s = NULL;
	enum rc rc = RC_OK;

	if (conf_list_count(c, "maps") == 0)
		return;			/* said already */
	rc = mapset_new(c, &s);
	if (rc == RC_OK) {
		size_t before = errors->len;
		bool all = leave_out(s);

		rc = source_read(s, NULL, false, errors, warnings);
		if (rc == RC_OK && all)
			check_whole(s, errors, warnings);
		if (!all || errors->len != before)
			rc = RC_OK;	/* what is wrong stands there */
	}
	if (rc != RC_OK)
		conf_blame(c, errors, "", -1, "maps", "%s", rc_text(rc));
	mapset_free(s);
}
