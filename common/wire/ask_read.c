#include "common/wire/ask_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NET (1u << SERVICE_NETWORK_MAP)
#define COST (1u << SERVICE_COST_MAP)
#define PROPERTY (1u << SERVICE_ENDPOINT_PROPERTY)
#define ENDPOINT (1u << SERVICE_ENDPOINT_COST)

enum need {
	MAY,
	MUST,				/* where its object is */
	COST_TYPE,			/* must, or else multi-cost-types */
	MULTI				/* may; unknown without RFC 8189 */
};

/* The members of requests, each behind the object that it stands in. */
static const struct member {
	unsigned kinds;
	const char *outer, *name;
	json_type type;
	enum need need;
} members[] = {
	{ NET, NULL, "pids", JSON_ARRAY, MUST },
	{ NET, NULL, "address-types", JSON_ARRAY, MAY },
	{ COST | ENDPOINT, NULL, "cost-type", JSON_OBJECT, COST_TYPE },
	{ COST | ENDPOINT, "cost-type", "cost-metric", JSON_STRING, MUST },
	{ COST | ENDPOINT, "cost-type", "cost-mode", JSON_STRING, MUST },
	{ COST | ENDPOINT, NULL, "multi-cost-types", JSON_ARRAY, MULTI },
	{ COST | ENDPOINT, NULL, "testable-cost-types", JSON_ARRAY, MULTI },
	{ COST | ENDPOINT, NULL, "constraints", JSON_ARRAY, MAY },
	{ COST | ENDPOINT, NULL, "or-constraints", JSON_ARRAY, MULTI },
	{ COST, NULL, "pids", JSON_OBJECT, MAY },
	{ COST, "pids", "srcs", JSON_ARRAY, MUST },
	{ COST, "pids", "dsts", JSON_ARRAY, MUST },
	{ PROPERTY, NULL, "properties", JSON_ARRAY, MUST },
	{ PROPERTY, NULL, "endpoints", JSON_ARRAY, MUST },
	{ ENDPOINT, NULL, "endpoints", JSON_OBJECT, MUST },
	{ ENDPOINT, "endpoints", "srcs", JSON_ARRAY, MAY },
	{ ENDPOINT, "endpoints", "dsts", JSON_ARRAY, MAY },
};

#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

static bool known(const struct ask_part *p, const struct member *m)
{
	return m->kinds & 1u << p->sv->kind &&
	       (m->need != MULTI || p->sv->max_types);
}

static bool required(const struct ask_part *p, const struct member *m)
{
	return m->need == MUST ||
	       (m->need == COST_TYPE && !ask_multi(p, "multi-cost-types"));
}

/* What m is a member of, or NULL. */
static const json_t *outer_of(const struct ask_part *p, const struct member *m)
{
	const json_t *v = m->outer ? json_object_get(p->doc, m->outer) : p->doc;

	return json_is_object(v) ? v : NULL;
}

static enum rc refuse_member(const struct ask_part *p, const char *code,
                             const struct member *m, const char *text)
{
	char field[sizeof(p->why->field)];

	snprintf(field, sizeof(field), "%s%s%s", m->outer ? m->outer : "",
	         m->outer ? "/" : "", m->name);
	return ask_refuse(p->why, code, field, "%s", text);
}

static enum rc check_required(const struct ask_part *p)
{
	for (size_t i = 0; i < N_MEMBERS; i++) {
		const struct member *m = &members[i];
		const json_t *outer = outer_of(p, m);

		if (known(p, m) && outer && required(p, m) &&
		    !json_object_get(outer, m->name))
			return refuse_member(p, "E_MISSING_FIELD", m,
			                     "is missing");
	}
	return RC_OK;
}

static const char *type_text(json_type type)
{
	return type == JSON_ARRAY ? "must be an array" :
	       type == JSON_OBJECT ? "must be an object" : "must be a string";
}

static enum rc check_types(const struct ask_part *p)
{
	for (size_t i = 0; i < N_MEMBERS; i++) {
		const struct member *m = &members[i];
		const json_t *v = json_object_get(outer_of(p, m), m->name);

		if (v && known(p, m) && json_typeof(v) != m->type)
			return refuse_member(p, "E_INVALID_FIELD_TYPE", m,
			                     type_text(m->type));
	}
	return RC_OK;
}

/* Marks the PIDs of a list that the map has. */
static enum rc mark_pids(struct ask_part *p, const char *field,
                         const json_t *list, bool *wanted)
{
	const struct index *names = netmap_names(p->sv->net);
	size_t n = json_array_size(list), len;
	uint32_t num;

	for (size_t i = 0; i < n; i++) {
		const char *name = ask_string(list, i, &len);

		if (!name || !pid_ok(name, len))
			return ask_refuse_value(p->why, field,
			                        json_array_get(list, i),
			                        "a PID name is 1 to %d letters,"
			                        " digits and \"-:@_\" (RFC "
			                        "7285 s10.1)", ID_MAX);
		if (index_find(names, name, len, &num))
			wanted[num] = true;
	}
	return RC_OK;
}

/* Numbers of PIDs ascend with their names, so what is marked is in order. */
static enum rc read_pids(struct ask_part *p, const char *field,
                         const json_t *list, struct ask_axis *axis)
{
	size_t n = netmap_pids(p->sv->net);
	bool every = json_array_size(list) == 0;
	bool *wanted = calloc(n + 1, sizeof(*wanted));
	enum rc rc = RC_ENOMEM;

	axis->pid = calloc(n + 1, sizeof(*axis->pid));
	if (!wanted || !axis->pid)
		goto out;
	rc = mark_pids(p, field, list, wanted);
	for (uint32_t i = 0; i < n; i++)
		if (every || wanted[i])
			axis->pid[axis->n++] = i;
	axis->all = every || (n && axis->n == n);
out:
	free(wanted);
	return rc;
}

static bool type_ok(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') ||
		      (s[i] >= 'A' && s[i] <= 'Z') ||
		      (s[i] >= 'a' && s[i] <= 'z')))
			return false;
	return len > 0;
}

static enum rc read_families(struct ask_part *p)
{
	const json_t *list = json_object_get(p->doc, "address-types");
	size_t n = json_array_size(list), len;
	unsigned families = 0;

	for (size_t i = 0; i < n; i++) {
		const char *type = ask_string(list, i, &len);

		if (!type || !type_ok(type, len))
			return ask_refuse_value(p->why, "address-types",
			                        json_array_get(list, i),
			                        "an address type is made of "
			                        "letters and digits (RFC 7285 "
			                        "s10.4.1)");
		for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6; f++)
			if (strcmp(type, family_name(f)) == 0)
				families |= 1u << f;
	}
	p->ask->families = n ? families : 1u << FAMILY_IPV4 | 1u << FAMILY_IPV6;
	return RC_OK;
}

static const struct service_prop *find_prop(const struct service *sv,
                                            const char *name)
{
	for (size_t i = 0; name && i < sv->n_props; i++)
		if (strcmp(sv->props[i].name, name) == 0)
			return &sv->props[i];
	return NULL;
}

/* A name is looked for when it is new, so never oftener than there are names on
 * offer. */
static enum rc read_prop(struct ask_part *p, const json_t *value,
                         struct index *seen)
{
	const char *name = json_string_value(value);
	const struct service_prop *prop = NULL;
	bool added = true;
	uint32_t num;

	if (name) {
		enum rc rc = index_add(seen, name, json_string_length(value),
		                       &num, &added);

		if (rc != RC_OK)
			return rc;
	}
	if (!added)
		return RC_OK;
	prop = find_prop(p->sv, name);
	if (!prop)
		return ask_refuse_value(p->why, "properties", value,
		                        "this property is not on offer here "
		                        "(prop-types, RFC 7285 s11.4.1.4)");
	p->ask->props[p->ask->n_props++] = prop;
	return RC_OK;
}

static enum rc read_props(struct ask_part *p)
{
	const json_t *list = json_object_get(p->doc, "properties");
	size_t n = json_array_size(list);
	struct index *seen = NULL;
	enum rc rc;

	if (!n)
		return ask_refuse_value(p->why, "properties", NULL,
		                        "must not be empty (RFC 7285 "
		                        "s11.4.1.3)");
	p->ask->props = calloc(p->sv->n_props + 1, sizeof(*p->ask->props));
	if (!p->ask->props)
		return RC_ENOMEM;
	rc = index_new(n, &seen);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		rc = read_prop(p, json_array_get(list, i), seen);
	index_unref(seen);
	return rc;
}

static uint64_t per_pair(const struct ask *a)
{
	uint64_t n = a->n_columns + a->filter.n_tests;

	for (size_t k = 0; k < a->n_columns; k++)
		if (a->columns[k]->ranked)
			n += ASK_WORK_RANKED - 1;
	return n;
}

uint64_t ask_work(const struct ask *a)
{
	uint64_t n = a->src.self ? 1 : a->src.n;

	if (a->n_props > 0)
		return n * a->n_props;
	if (a->n_columns == 0)
		return n;
	return n * (a->dst.self ? 1 : a->dst.n) * per_pair(a);
}

static enum rc check_work(struct ask_part *p, const char *field)
{
	uint64_t n = ask_work(p->ask);

	if (n <= ASK_WORK_MAX)
		return RC_OK;
	return ask_refuse_value(p->why, field, NULL, "this asks for %llu "
	                        "values and tests at once, %u are allowed",
	                        (unsigned long long)n, ASK_WORK_MAX);
}

static enum rc read_network(struct ask_part *p)
{
	enum rc rc = read_families(p);

	if (rc != RC_OK)
		return rc;
	return read_pids(p, "pids", json_object_get(p->doc, "pids"),
	                 &p->ask->src);
}

static enum rc read_costs(struct ask_part *p)
{
	const json_t *pids = json_object_get(p->doc, "pids");
	enum rc rc = ask_cost_read(p);

	if (rc == RC_OK)
		rc = read_pids(p, "pids/srcs", json_object_get(pids, "srcs"),
		               &p->ask->src);
	if (rc == RC_OK)
		rc = read_pids(p, "pids/dsts", json_object_get(pids, "dsts"),
		               &p->ask->dst);
	return rc == RC_OK ? check_work(p, "pids") : rc;
}

static enum rc read_properties(struct ask_part *p)
{
	const json_t *list = json_object_get(p->doc, "endpoints");
	enum rc rc = read_props(p);

	if (rc != RC_OK)
		return rc;
	if (!json_array_size(list))
		return ask_refuse_value(p->why, "endpoints", NULL,
		                        "must not be empty (RFC 7285 "
		                        "s11.4.1.3)");
	rc = ask_endpoints_read(p, "endpoints", list, &p->ask->src);
	return rc == RC_OK ? check_work(p, "endpoints") : rc;
}

static enum rc read_endpoint_costs(struct ask_part *p)
{
	const json_t *both = json_object_get(p->doc, "endpoints");
	const json_t *srcs = json_object_get(both, "srcs");
	const json_t *dsts = json_object_get(both, "dsts");
	struct ask *a = p->ask;
	enum rc rc = ask_cost_read(p);

	if (rc != RC_OK)
		return rc;
	a->src.self = json_array_size(srcs) == 0;
	a->dst.self = json_array_size(dsts) == 0;
	if (a->src.self && a->dst.self)
		return ask_refuse_value(p->why, "endpoints", NULL,
		                        "srcs and dsts must not both be empty "
		                        "(RFC 7285 s11.5.1.3)");
	rc = ask_endpoints_read(p, "endpoints/srcs", srcs, &a->src);
	if (rc == RC_OK)
		rc = ask_endpoints_read(p, "endpoints/dsts", dsts, &a->dst);
	return rc == RC_OK ? check_work(p, "endpoints") : rc;
}

static enum rc read_values(struct ask_part *p)
{
	switch (p->sv->kind) {
	case SERVICE_NETWORK_MAP:	return read_network(p);
	case SERVICE_COST_MAP:		return read_costs(p);
	case SERVICE_ENDPOINT_PROPERTY:	return read_properties(p);
	case SERVICE_ENDPOINT_COST:	return read_endpoint_costs(p);
	}
	return RC_EINVAL;
}

/* One name twice is grammar in RFC 8259 and still refused as syntax: there is no
 * telling which of the two is meant. */
static enum rc refuse_syntax(struct ask_refusal *why, const struct diag *d)
{
	if (!d->line)
		return ask_refuse(why, "E_SYNTAX", "", "%s", d->text);
	return ask_refuse(why, "E_SYNTAX", "", "line %zu%s%.100s: %s", d->line,
	                  d->pointer[0] ? ", " : "", d->pointer, d->text);
}

static enum rc read_doc(const char *body, size_t len, json_t **out,
                        struct ask_refusal *why)
{
	struct diag d;
	enum rc rc;

	diag_clear(&d);
	rc = json_read_body(len ? body : "", len, len, out, &d);
	if (rc == RC_OK || rc == RC_ENOMEM)
		return rc;
	return refuse_syntax(why, &d);
}

enum rc ask_read(const struct service *sv, const char *body, size_t len,
                 struct ask **out, struct ask_refusal *why)
{
	struct ask_part p = { .sv = sv, .why = why };
	json_t *doc = NULL;
	enum rc rc = RC_ENOMEM;

	p.ask = calloc(1, sizeof(*p.ask));
	if (!p.ask)
		return rc;
	rc = read_doc(body, len, &doc, why);
	p.ask->doc = doc;
	p.doc = doc;
	if (rc == RC_OK && !json_is_object(doc))
		rc = ask_refuse(why, "E_INVALID_FIELD_TYPE", "",
		                "a request is an object");
	if (rc == RC_OK)
		rc = check_required(&p);
	if (rc == RC_OK)
		rc = check_types(&p);
	if (rc == RC_OK)
		rc = read_values(&p);
	if (rc != RC_OK)
		goto out;

	*out = p.ask;
	p.ask = NULL;
out:
	ask_free(p.ask);
	return rc;
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	free(a->src.pid);
	free(a->dst.pid);
	free(a->src.endpoint);
	free(a->dst.endpoint);
	free(a->props);
	json_decref(a->doc);
	free(a);
}
