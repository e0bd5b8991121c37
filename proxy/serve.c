/* From verified to journalled and served. */
#include "proxy/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/service/miss.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/wire/body.h"
#include "common/wire/json.h"

#define KEYS_TEXT_MAX (64u << 10)

static enum rc write_keys(struct journal *j, void *arg, struct diag *d)
{
	struct applier *a = arg;
	struct buf text = BUF_INIT(KEYS_TEXT_MAX);
	/* The set that the snapshot under way makes trusted. */
	enum rc rc = keys_write(sub_keys(a->sub), &text);

	a->kept = *sub_keys(a->sub);
	if (rc == RC_OK)
		rc = journal_meta_set(j, META_KEYS, text.data, text.len, d);
	buf_free(&text);
	return rc;
}

void serve_keys(struct applier *a)
{
	struct diag d = { 0 };
	enum rc rc = write_keys(a->house->journal, a, &d);

	if (rc != RC_OK)
		log_error("journal", "keys: %s", d.text[0] ? d.text :
		          rc_text(rc));
}

void serve_look(struct applier *a)
{
	struct resource *r = snapshot_get(a->now, DIRECTORY_ID);
	struct ird *ird = NULL;
	char *text = NULL;
	size_t len;

	if (r && body_flat(r, JSON_SMALL_MAX, &text, &len) == RC_OK &&
	    ird_read(text, len, &ird, NULL) == RC_OK) {
		const struct ird_redistribution *rd = ird_redistribution(ird);

		a->heartbeat = rd->heartbeat;
		snprintf(a->state_uri, sizeof(a->state_uri), "%s", rd->state);
		sources_set_heartbeat(a->sources, a->heartbeat);
	}
	ird_free(ird);
	free(text);
}

static enum rc refused(struct applier *a, uint64_t serial, enum rc rc,
                       const struct diag *d)
{
	struct buf text = BUF_INIT(2 * sizeof(*d));
	const char *why;

	diag_print(d, &text);
	why = text.len ? buf_str(&text) : rc_text(rc);
	log_error("journal", "serial=%llu not published: %s",
	          (unsigned long long)serial, why);
	status_add(a->house->status, STATUS_journal_failures, 1);
	status_trouble(a->house->status, "journal", why, clock_wall_s());
	buf_free(&text);
	a->unwritten = true;
	return rc;
}

static void served(struct applier *a, struct snapshot *next)
{
	struct snapshot *was = a->now;

	a->now = snapshot_ref(next);
	a->unwritten = false;
	if (!was || snapshot_get(was, DIRECTORY_ID) !=
	    snapshot_get(next, DIRECTORY_ID))
		serve_look(a);
	snapshot_unref(was);
	a->channel.misses = 0;
	if (a->miss)
		miss_settled(a->miss);
}

enum rc serve(struct applier *a, const struct sub_act *act)
{
	const struct state *st = snapshot_state(act->next);
	const struct state *was = a->now ? snapshot_state(a->now) : NULL;
	bool same = was && position_cmp(&was->pos, &st->pos) == 0 &&
	            memcmp(was->root, st->root, SHA256_SIZE) == 0;
	bool session = was && !position_same_session(&was->pos, &st->pos);
	struct publication pub = {
		.next = act->next, .prev = a->now,
		.updates = act->jump ? NULL : act->updates,
		.n = act->jump ? 0 : act->n_updates,
		.jump = (act->jump || !a->now) && !same, .session = session,
		.also = write_keys, .arg = a,
	};
	struct diag d = { 0 };
	enum rc rc = publish(&a->house->publish, &pub, &d);

	if (rc != RC_OK)
		return refused(a, st->pos.serial, rc, &d);
	status_trouble(a->house->status, "journal", NULL, 0);
	status_add(a->house->status, same ? STATUS_heartbeats :
	           STATUS_publications, 1);
	if (!same)
		status_trouble(a->house->status, "fork", NULL, 0);
	if (!same)
		log_info("publish", "serial=%llu session=%s updates=%zu%s",
		         (unsigned long long)st->pos.serial, st->pos.session,
		         act->n_updates, act->jump ? " by snapshot" : "");
	served(a, act->next);
	return RC_OK;
}
