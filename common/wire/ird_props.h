/* ird_props.h - what the directory says of property maps. */
#ifndef ALTOCAST_WIRE_IRD_PROPS_H
#define ALTOCAST_WIRE_IRD_PROPS_H

#include <jansson.h>

#include "common/base/rc.h"
#include "common/core/resource.h"

/* The capability `mappings` of a property map (RFC 9240 s7.4): for each address
 * type that some entity has, the names of its properties in ascending order. The
 * caller owns *out. RC_ELIMIT, RC_ESYNTAX: no small document. */
MUST_CHECK enum rc ird_mappings(const struct resource *map, json_t **out);

/* The texts of a list in ascending byte order, as a new list; NULL: out of
 * memory. */
json_t *ird_sorted(const json_t *list);

#endif
