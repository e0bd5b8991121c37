/* answers_stage.h - a world that is served through real sockets. */
#ifndef ALTOCAST_TESTS_ANSWERS_STAGE_H
#define ALTOCAST_TESTS_ANSWERS_STAGE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "tests/served.h"
#include "tests/world.h"

#define SEED 7
#define TYPE(media) "Content-Type: " media
#define COST_TYPE "\"cost-type\":{\"cost-mode\":\"numerical\"," \
	"\"cost-metric\":\"routingcost\"}"

/* Paths of services. */
extern const char net[], cost[], ecs[], eps[];

extern const struct alto_http_config usual;

struct stage {
	struct world *w;
	struct served s;
};

void publish(struct stage *st);
void begin(struct stage *st, const struct alto_http_config *cfg);
void end(struct stage *st);
struct reply ask_net(const struct stage *st, const char *body);
bool has(const struct reply *r, const char *text);
void many_endpoints(struct buf *body);

#endif
