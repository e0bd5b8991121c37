#include "common/service/report_sub.h"

const char *report_sub_name(enum report_sub s)
{
	static const char *const names[SUB_IS_STATES] = {
		"hello", "snapshot", "delta", "current", "behind"
	};

	return names[s];
}

enum report_sub report_sub_of(const struct push_info *i,
                              const struct snapshot *head)
{
	const struct position *acked = pub_acked(i->pub);

	if (!pub_subscribed(i->pub))
		return SUB_IS_HELLO;
	if (pub_mode(i->pub) == MODE_BEHIND)
		return SUB_IS_BEHIND;
	if (head && position_cmp(acked, &snapshot_state(head)->pos) == 0)
		return SUB_IS_CURRENT;
	if (pub_mode(i->pub) == MODE_SNAPSHOT && acked->serial == 0)
		return SUB_IS_SNAPSHOT;
	return SUB_IS_DELTA;
}

bool report_sub_versions(const struct push_info *i,
                         const struct snapshot *head, uint64_t *lag)
{
	const struct position *acked = pub_acked(i->pub), *at;

	if (!head)
		return false;
	at = &snapshot_state(head)->pos;
	if (!position_same_session(acked, at))
		return false;
	*lag = at->serial > acked->serial ? at->serial - acked->serial : 0;
	return true;
}

double report_sub_seconds(const struct push_info *i, uint64_t mono_ms)
{
	if (i->behind_ms == 0 || i->behind_ms > mono_ms)
		return 0;
	return (double)(mono_ms - i->behind_ms) / 1000;
}
