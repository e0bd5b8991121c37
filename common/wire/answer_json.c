#include "common/wire/answer_json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/answer_cost.h"
#include "common/wire/json.h"

#define ALL_FAMILIES (1u << FAMILY_IPV4 | 1u << FAMILY_IPV6)

static void put_string(struct buf *dst, const char *s)
{
	json_put_string(dst, s, strlen(s));
}

static void put_vtag(struct buf *dst, const struct vtag *v)
{
	buf_puts(dst, "{\"resource-id\":");
	put_string(dst, v->id);
	buf_puts(dst, ",\"tag\":");
	put_string(dst, v->tag);
	buf_putc(dst, '}');
}

/* ---- network maps ---- */

/* A row's text with one family alone. Where one array ends and the other begins
 * stands what no prefix and no name contains. */
static void put_family(struct buf *dst, const struct netrow *row, enum family f)
{
	static const char between[] = "],\"ipv6\":[";
	const char *text = row->row.text, *end = text + row->row.text_len;
	const char *begin = (const char *)memchr(text, '{',
	                                         (size_t)(end - text)) + 1;
	const char *v4_end = row->n4 ? end - 1 : begin;
	const char *v6 = row->n6 ? begin : end - 1;

	if (row->n4 && row->n6) {
		v4_end = (const char *)memmem(begin, (size_t)(end - begin),
		                              between, sizeof(between) - 1) + 1;
		v6 = v4_end + 1;
	}
	if (f == FAMILY_IPV4) {
		buf_add(dst, text, (size_t)(v4_end - text));
		buf_putc(dst, '}');
	} else {
		buf_add(dst, text, (size_t)(begin - text));
		buf_add(dst, v6, (size_t)(end - v6));
	}
}

/* The rows of a snapshot are sealed: they have their text. */
static void put_pid(struct buf *dst, const struct service *sv, uint32_t pid,
                    unsigned families)
{
	const struct netrow *row = netmap_row(sv->net, pid);

	assert(row->row.text);
	switch (families & ALL_FAMILIES) {
	case ALL_FAMILIES:
		buf_add(dst, row->row.text, row->row.text_len);
		break;
	case 1u << FAMILY_IPV4:
		put_family(dst, row, FAMILY_IPV4);
		break;
	case 1u << FAMILY_IPV6:
		put_family(dst, row, FAMILY_IPV6);
		break;
	default:		/* types that are not known are ignored */
		put_string(dst, index_name(netmap_names(sv->net), pid));
		buf_puts(dst, ":{}");
	}
}

static void write_netmap(const struct service *sv, const struct ask *a,
                         struct buf *dst)
{
	buf_puts(dst, "{\"meta\":{\"vtag\":");
	put_vtag(dst, sv->vtag);
	buf_puts(dst, "},\"network-map\":{");
	for (size_t i = 0; i < a->src.n && buf_rc(dst) == RC_OK; i++) {
		if (i)
			buf_putc(dst, ',');
		put_pid(dst, sv, a->src.pid[i], a->families);
	}
	buf_puts(dst, "}}");
}

/* ---- costs ---- */

static void put_type(struct buf *dst, const struct service_cost *c)
{
	buf_puts(dst, "{\"cost-metric\":");
	put_string(dst, c->metric);
	buf_puts(dst, ",\"cost-mode\":");
	put_string(dst, c->mode);
	buf_putc(dst, '}');
}

static void put_cost_meta(struct buf *dst, const struct service *sv,
                          const struct ask *a)
{
	buf_puts(dst, "\"meta\":{\"cost-type\":");
	if (a->multi)
		buf_puts(dst, "{}");
	else
		put_type(dst, a->columns[0]);
	if (sv->kind == SERVICE_COST_MAP) {
		buf_puts(dst, ",\"dependent-vtags\":[");
		put_vtag(dst, sv->vtag);
		buf_putc(dst, ']');
	}
	for (size_t i = 0; a->multi && i < a->n_shown; i++) {
		buf_puts(dst, i ? "," : ",\"multi-cost-types\":[");
		put_type(dst, a->columns[i]);
	}
	if (a->multi)
		buf_putc(dst, ']');
	if (sv->kind == SERVICE_ENDPOINT_COST && sv->says_vtag) {
		buf_puts(dst, ",\"vtag\":");
		put_vtag(dst, sv->vtag);
	}
	buf_putc(dst, '}');
}

static enum rc write_costs(const struct service *sv, const struct ask *a,
                           const struct ask_endpoint *self, struct buf *dst)
{
	enum rc rc;

	buf_puts(dst, sv->kind == SERVICE_COST_MAP ?
	         "{\"cost-map\":" : "{\"endpoint-cost-map\":");
	rc = answer_cost_write(sv, a, self, dst);
	if (rc != RC_OK)
		return rc;
	buf_putc(dst, ',');
	put_cost_meta(dst, sv, a);
	buf_putc(dst, '}');
	return RC_OK;
}

/* ---- endpoint properties ---- */

static int by_name(const void *va, const void *vb)
{
	const struct service_prop *const *a = va, *const *b = vb;

	return strcmp((*a)->name, (*b)->name);
}

static void put_endpoint(struct buf *dst, const struct ask_endpoint *e,
                         const struct service_prop *const *props, size_t n)
{
	bool some = false;

	put_string(dst, e->text);
	buf_puts(dst, ":{");
	for (size_t i = 0; i < n; i++) {
		const struct service_prop *p = props[i];
		uint32_t value = lpm_find(p->lpm, e->family, e->addr);

		if (value == LPM_NONE)
			continue;
		if (some)
			buf_putc(dst, ',');
		put_string(dst, p->name);
		buf_putc(dst, ':');
		json_put_string(dst, index_name(p->values, value),
		                index_name_len(p->values, value));
		some = true;
	}
	buf_putc(dst, '}');
}

/* Was the map of property i named by one before it? */
static bool is_named(const struct ask *a, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (a->props[k]->net &&
		    !strcmp(a->props[k]->net->id, a->props[i]->net->id))
			return true;
	return false;
}

static void put_prop_meta(struct buf *dst, const struct ask *a)
{
	bool some = false;

	buf_puts(dst, "\"meta\":{");
	for (size_t i = 0; i < a->n_props; i++) {
		if (!a->props[i]->net || is_named(a, i))
			continue;
		buf_puts(dst, some ? "," : "\"dependent-vtags\":[");
		put_vtag(dst, a->props[i]->net);
		some = true;
	}
	buf_puts(dst, some ? "]}" : "}");
}

static enum rc write_props(const struct ask *a, struct buf *dst)
{
	const struct service_prop **props;

	props = malloc((a->n_props + 1) * sizeof(*props));
	if (!props)
		return RC_ENOMEM;
	for (size_t i = 0; i < a->n_props; i++)
		props[i] = a->props[i];
	qsort(props, a->n_props, sizeof(*props), by_name);
	buf_puts(dst, "{\"endpoint-properties\":{");
	for (size_t i = 0; i < a->src.n && buf_rc(dst) == RC_OK; i++) {
		if (i)
			buf_putc(dst, ',');
		put_endpoint(dst, &a->src.endpoint[i], props, a->n_props);
	}
	buf_puts(dst, "},");
	put_prop_meta(dst, a);
	buf_putc(dst, '}');
	free(props);
	return RC_OK;
}

enum rc answer_write(const struct service *sv, const struct ask *a,
                     const struct ask_endpoint *self, struct buf *dst)
{
	enum rc rc = RC_EINVAL;

	switch (sv->kind) {
	case SERVICE_NETWORK_MAP:
		write_netmap(sv, a, dst);
		rc = RC_OK;
		break;
	case SERVICE_COST_MAP:
	case SERVICE_ENDPOINT_COST:
		rc = write_costs(sv, a, self, dst);
		break;
	case SERVICE_ENDPOINT_PROPERTY:
		rc = write_props(a, dst);
		break;
	}
	return rc != RC_OK ? rc : buf_rc(dst);
}
