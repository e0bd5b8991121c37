#include "common/wire/ask_part.h"

/* Tests while they are read. */
struct tests {
	struct ask_part *p;
	const char *field;
	const struct service_cost *const *list;	/* what an index refers to */
	size_t n;
};

static bool offers_tests(const struct service *sv)
{
	for (size_t i = 0; i < sv->n_costs; i++)
		if (sv->costs[i].testable)
			return true;
	return false;
}

/* The column of a cost type; one behind the others when it is not shown. There
 * is room: each test brings at most one. */
static uint32_t column_of(struct ask *a, const struct service_cost *c)
{
	for (uint32_t i = 0; i < a->n_columns; i++)
		if (a->columns[i] == c)
			return i;
	a->columns[a->n_columns] = c;
	return (uint32_t)a->n_columns++;
}

static enum rc read_test(const struct tests *t, const json_t *predicate)
{
	struct filter *f = &t->p->ask->filter;
	struct filter_test *test = &f->test[f->n_tests];
	bool indexed = t->p->sv->max_types > 0;

	if (!json_is_string(predicate) ||
	    filter_test_read(json_string_value(predicate),
	                     json_string_length(predicate), indexed, test))
		return ask_refuse_value(t->p->why, t->field, predicate,
		                        "a constraint is like \"%sle 10\", "
		                        "with gt, lt, ge, le or eq",
		                        indexed ? "[0] " : "");
	if (test->index >= t->n)
		return ask_refuse_value(t->p->why, t->field, predicate,
		                        "the index is beyond the %zu cost "
		                        "types it can refer to (RFC 8189 "
		                        "s4.1.2)", t->n);
	if (!t->list[test->index]->testable)
		return ask_refuse_value(t->p->why, t->field, predicate,
		                        "constraints cannot refer to %s in "
		                        "mode %s here",
		                        t->list[test->index]->metric,
		                        t->list[test->index]->mode);
	test->index = column_of(t->p->ask, t->list[test->index]);
	f->n_tests++;
	return RC_OK;
}

static enum rc read_clause(const struct tests *t, const json_t *list)
{
	struct filter *f = &t->p->ask->filter;
	size_t n = json_array_size(list);

	if (n > FILTER_TESTS_MAX - f->n_tests)
		return ask_refuse_value(t->p->why, t->field, NULL,
		                        "more than %u constraints",
		                        FILTER_TESTS_MAX);
	for (size_t i = 0; i < n; i++) {
		enum rc rc = read_test(t, json_array_get(list, i));

		if (rc != RC_OK)
			return rc;
	}
	f->end[f->n_clauses++] = f->n_tests;
	return RC_OK;
}

static enum rc read_clauses(const struct tests *t, const json_t *outer)
{
	size_t n = json_array_size(outer);

	if (!n)
		return ask_refuse_value(t->p->why, t->field, NULL,
		                        "must not be empty (RFC 8189 s4.1.2)");
	for (size_t i = 0; i < n; i++) {
		const json_t *inner = json_array_get(outer, i);
		enum rc rc;

		if (!json_array_size(inner))
			return ask_refuse_value(t->p->why, t->field, inner,
			                        "is made of arrays that are "
			                        "not empty (RFC 8189 s4.1.2)");
		rc = read_clause(t, inner);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc ask_constraints_read(struct ask_part *p,
                             const struct service_cost *const *list, size_t n)
{
	const json_t *all = json_object_get(p->doc, "constraints");
	const json_t *any = ask_multi(p, "or-constraints");
	struct tests t = { p, any ? "or-constraints" : "constraints", list, n };

	if (!all && !any)
		return RC_OK;
	if (all && any)
		return ask_refuse_value(p->why, t.field, NULL,
		                        "either constraints or or-constraints, "
		                        "not both (RFC 8189 s4.1.2)");
	if (!offers_tests(p->sv))
		return ask_refuse_value(p->why, t.field, NULL,
		                        "this resource takes no constraints "
		                        "(cost-constraints, RFC 7285 "
		                        "s11.3.2.4)");
	if (any)
		return read_clauses(&t, any);
	return json_array_size(all) ? read_clause(&t, all) : RC_OK;
}
