#include "common/wire/ask_part.h"

#include <string.h>

/* The cost type on offer with this mode and metric; a NULL metric is any. */
static const struct service_cost *find_cost(const struct service *sv,
                                            const char *metric,
                                            const char *mode)
{
	for (size_t i = 0; i < sv->n_costs; i++) {
		const struct service_cost *c = &sv->costs[i];

		if (strcmp(c->mode, mode) == 0 &&
		    (!metric || strcmp(c->metric, metric) == 0))
			return c;
	}
	return NULL;
}

static enum rc read_single(struct ask_part *p)
{
	const json_t *type = json_object_get(p->doc, "cost-type");
	const json_t *metric = json_object_get(type, "cost-metric");
	const json_t *mode = json_object_get(type, "cost-mode");
	const struct service_cost *c;

	if (!find_cost(p->sv, NULL, json_string_value(mode)))
		return ask_refuse_value(p->why, "cost-type/cost-mode", mode,
		                        "no cost type on offer here has this "
		                        "mode");
	c = find_cost(p->sv, json_string_value(metric),
	              json_string_value(mode));
	if (!c)
		return ask_refuse_value(p->why, "cost-type/cost-metric",
		                        metric, "no cost type on offer here "
		                        "has this metric in that mode");
	p->ask->columns[0] = c;
	p->ask->n_shown = 1;
	return RC_OK;
}

/* One to max cost types of a list. */
static enum rc read_types(struct ask_part *p, const char *field, size_t max,
                          const struct service_cost **out, size_t *n)
{
	const json_t *list = json_object_get(p->doc, field);
	size_t size = json_array_size(list);

	if (!size || size > max)
		return ask_refuse_value(p->why, field, NULL, "%zu cost types, "
		                        "1 to %zu are allowed", size, max);
	for (size_t i = 0; i < size; i++) {
		const json_t *type = json_array_get(list, i);
		const char *metric, *mode;

		metric = json_string_value(json_object_get(type,
		                                           "cost-metric"));
		mode = json_string_value(json_object_get(type, "cost-mode"));
		out[i] = metric && mode ? find_cost(p->sv, metric, mode) : NULL;
		if (!out[i])
			return ask_refuse_value(p->why, field, type,
			                        "no cost type on offer here "
			                        "(RFC 8189 s4.1.2)");
	}
	*n = size;
	return RC_OK;
}

static enum rc read_multi(struct ask_part *p)
{
	size_t max = p->sv->max_types;

	if (json_object_get(p->doc, "cost-type"))
		return ask_refuse_value(p->why, "multi-cost-types", NULL,
		                        "either cost-type or multi-cost-types, "
		                        "not both (RFC 8189 s4.1.2)");
	p->ask->multi = true;
	return read_types(p, "multi-cost-types",
	                  max < SERVICE_TYPES_MAX ? max : SERVICE_TYPES_MAX,
	                  p->ask->columns, &p->ask->n_shown);
}

/* What tests may refer to, in the place of the types that are shown. */
static enum rc read_testable(struct ask_part *p,
                             const struct service_cost **out, size_t *n)
{
	static const char field[] = "testable-cost-types";
	enum rc rc = read_types(p, field, SERVICE_COSTS_MAX, out, n);

	for (size_t i = 0; rc == RC_OK && i < *n; i++)
		if (!out[i]->testable)
			rc = ask_refuse_value(p->why, field,
			                      json_array_get(json_object_get(
			                              p->doc, field), i),
			                      "constraints cannot refer to this "
			                      "cost type here (RFC 8189 "
			                      "s4.1.1)");
	return rc;
}

enum rc ask_cost_read(struct ask_part *p)
{
	const struct service_cost *testable[SERVICE_COSTS_MAX];
	struct ask *a = p->ask;
	size_t n;
	enum rc rc;

	rc = ask_multi(p, "multi-cost-types") ? read_multi(p) : read_single(p);
	if (rc != RC_OK)
		return rc;
	a->n_columns = a->n_shown;
	if (!ask_multi(p, "testable-cost-types"))
		return ask_constraints_read(p, a->columns, a->n_shown);
	rc = read_testable(p, testable, &n);
	return rc == RC_OK ? ask_constraints_read(p, testable, n) : rc;
}
