/* report_stage.h - small maps and a report on them, for the tests of report. */
#ifndef ALTOCAST_TESTS_REPORT_STAGE_H
#define ALTOCAST_TESTS_REPORT_STAGE_H

#include "common/service/report.h"
#include "common/wire/json.h"
#include "tests/maps_small.h"

#define NOW 1700000000
#define HEARTBEAT 30
#define EMPTY "{\"resources\":{}}"	/* a directory */
#define SESSION "018bcfe5-6800-7000-8000-000000000001"	/* of NOW */

/* A directory, a network map, a cost map; signed. */
struct snapshot *maps(void);

struct report *made(const char *role);
void end(struct report *r);
/* The status, read; the caller lets it go. */
json_t *status_of(const struct report *r, int64_t now, uint64_t mono);
/* Members; "(none)" and -1: there is none. */
const char *text_at(const json_t *o, const char *name);
json_int_t int_at(const json_t *o, const char *name);

#endif
