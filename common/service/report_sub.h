/* report_sub.h - what status and metrics both say of a subscriber.
 *
 * Loop thread.
 */
#ifndef ALTOCAST_SERVICE_REPORT_SUB_H
#define ALTOCAST_SERVICE_REPORT_SUB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/snapshot.h"
#include "common/service/push.h"

enum report_sub {
	SUB_IS_HELLO, SUB_IS_SNAPSHOT, SUB_IS_DELTA, SUB_IS_CURRENT,
	SUB_IS_BEHIND, SUB_IS_STATES
};

/* head: of the last message; NULL: nothing yet. */
enum report_sub report_sub_of(const struct push_info *i,
                              const struct snapshot *head);
const char *report_sub_name(enum report_sub s);

/* How many versions it is behind. false: they are of different sessions, so it
 * is no number. */
bool report_sub_versions(const struct push_info *i,
                         const struct snapshot *head, uint64_t *lag);
double report_sub_seconds(const struct push_info *i, uint64_t mono_ms);

#endif
