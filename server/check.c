#include "server/check.h"

#include <string.h>

#include "common/core/resource.h"
#include "common/service/options.h"
#include "common/sys/file.h"
#include "server/mapset.h"
#include "server/source.h"

static bool is_first(const struct mapset *s, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (s->maps[k].id && strcmp(s->maps[k].id, s->maps[i].id) == 0)
			return false;
	return true;
}

/* Is there a file at all? If not, that is said at the setting. */
static bool has_file(const struct mapset *s, size_t i, struct buf *errors)
{
	const char *file = s->maps[i].file;
	struct file_stamp stamp;
	struct diag d = { .line = 0 };

	if (!file)
		return false;
	if (file_stamp_get(file, &stamp, &d) == RC_OK)
		return true;
	options_blame_file(s->conf, errors, "maps", (long)i, "file", &d);
	return false;
}

/* Without its settings a map cannot be read; true: all can. */
static bool leave_out(struct mapset *s, struct buf *errors)
{
	bool all = true;

	for (size_t i = 0; i < s->n; i++) {
		struct map_entry *m = &s->maps[i];
		bool id = m->id && resource_id_ok(m->id, strlen(m->id));

		if (has_file(s, i, errors) && id && is_first(s, i))
			continue;
		m->file = NULL;
		if (!m->id)
			m->id = "";
		all = false;
	}
	return all;
}

static bool has_cost(const struct mapset *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (resource_cost(s->maps[i].next))
			return true;
	return false;
}

static void check_ranks(const struct mapset *s, size_t i, struct buf *errors)
{
	const struct map_entry *other = mapset_ranked(s, i, NULL);

	if (other)
		conf_blame(s->conf, errors, "maps", (long)i, "ordinal",
		           "\"%s\" (%s) gives these ranks already: take it "
		           "out, or say ordinal = false", other->id,
		           other->file);
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
	for (size_t i = 0; i < s->n; i++)
		check_ranks(s, i, errors);
}

void server_check(const struct conf *c, struct buf *errors,
                  struct buf *warnings)
{
	struct mapset *s = NULL;
	enum rc rc = RC_OK;

	options_warn_place(c, "signing.key", warnings);
	if (conf_list_count(c, "maps") == 0)
		return;			/* said already */
	rc = mapset_new(c, &s);
	if (rc == RC_OK) {
		size_t before = errors->len;
		bool all = leave_out(s, errors);

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
