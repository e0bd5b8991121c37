#include "common/wire/delta_json.h"

#include <string.h>

#include "common/wire/json.h"
#include "common/wire/media.h"
#include "common/wire/number.h"

/* PID names and prefixes need no escape, neither in a string nor in a
 * pointer; a tag may. */

static void put_name(struct buf *dst, const char *s, size_t len)
{
	char *p = buf_room(dst, len + 3);

	if (!p)
		return;
	p[0] = '"';
	memcpy(p + 1, s, len);
	p[len + 1] = '"';
	p[len + 2] = ':';
	buf_used(dst, len + 3);
}

static void put_string(struct buf *dst, const char *s)
{
	json_put_string(dst, s, strlen(s));
}

static void put_prefix(struct buf *dst, const struct prefix *p)
{
	char *at = buf_room(dst, PREFIX_TEXT_MAX + 3);
	size_t len;

	if (!at)
		return;
	at[0] = '"';
	len = prefix_print(p, at + 1);
	at[len + 1] = '"';
	buf_used(dst, len + 2);
}

static void put_array(struct buf *dst, const struct family_delta *f)
{
	for (size_t i = 0; i < f->n_put; i++) {
		buf_putc(dst, i ? ',' : '[');
		put_prefix(dst, &f->put[i]);
	}
	buf_putc(dst, ']');
}

static void put_families(struct buf *dst, const struct pid_delta *p)
{
	const char *comma = "";

	buf_putc(dst, '{');
	for (enum family i = FAMILY_IPV4; i <= FAMILY_IPV6; i++) {
		const struct family_delta *f = &p->family[i];

		if (f->how == FAMILY_SAME)
			continue;
		buf_puts(dst, comma);
		put_name(dst, family_name(i), strlen(family_name(i)));
		if (f->n_put)
			put_array(dst, f);
		else
			buf_puts(dst, "null");
		comma = ",";
	}
	buf_putc(dst, '}');
}

static void put_net_merge(struct buf *dst, const struct net_delta *d)
{
	buf_puts(dst, "{\"meta\":{\"vtag\":{\"tag\":");
	put_string(dst, d->to);
	buf_puts(dst, "}}");
	for (size_t i = 0; i < d->n; i++) {
		const struct pid_delta *p = &d->pids[i];

		buf_puts(dst, i ? "," : ",\"network-map\":{");
		put_name(dst, p->pid, strlen(p->pid));
		if (p->gone)
			buf_puts(dst, "null");
		else
			put_families(dst, p);
	}
	buf_puts(dst, d->n ? "}}" : "}");
}

/* An operation on a PID up to its name in the path. */
static void put_op(struct buf *dst, const char *op, const char *pid)
{
	buf_puts(dst, ",{\"op\":\"");
	buf_puts(dst, op);
	buf_puts(dst, "\",\"path\":\"/network-map/");
	buf_puts(dst, pid);
}

static void put_place(struct buf *dst, enum family f, uint32_t place)
{
	char text[12], *p = text + sizeof(text);

	do
		*--p = (char)('0' + place % 10);
	while (place /= 10);
	buf_putc(dst, '/');
	buf_puts(dst, family_name(f));
	buf_putc(dst, '/');
	buf_add(dst, p, (size_t)(text + sizeof(text) - p));
}

static void put_family_ops(struct buf *dst, const char *pid, enum family which,
                           const struct family_delta *f)
{
	if (f->how == FAMILY_WHOLE) {
		put_op(dst, f->n_put ? "add" : "remove", pid);
		buf_putc(dst, '/');
		buf_puts(dst, family_name(which));
		buf_puts(dst, f->n_put ? "\",\"value\":" : "\"");
		if (f->n_put)
			put_array(dst, f);
		buf_putc(dst, '}');
		return;
	}
	for (size_t i = 0; i < f->n_removed; i++) {
		put_op(dst, "remove", pid);
		put_place(dst, which, f->removed[i]);
		buf_puts(dst, "\"}");
	}
	for (size_t i = 0; i < f->n_put; i++) {
		put_op(dst, "add", pid);
		put_place(dst, which, f->place[i]);
		buf_puts(dst, "\",\"value\":");
		put_prefix(dst, &f->put[i]);
		buf_putc(dst, '}');
	}
}

static void put_net_ops(struct buf *dst, const struct net_delta *d)
{
	buf_puts(dst, "[{\"op\":\"replace\",\"path\":\"/meta/vtag/tag\","
	         "\"value\":");
	put_string(dst, d->to);
	buf_putc(dst, '}');
	for (size_t i = 0; i < d->n; i++) {
		const struct pid_delta *p = &d->pids[i];

		if (p->gone || p->fresh) {
			put_op(dst, p->gone ? "remove" : "add", p->pid);
			buf_puts(dst, p->gone ? "\"" : "\",\"value\":");
			if (p->fresh)
				put_families(dst, p);
			buf_putc(dst, '}');
			continue;
		}
		for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6; f++)
			if (p->family[f].how != FAMILY_SAME)
				put_family_ops(dst, p->pid, f, &p->family[f]);
	}
	buf_putc(dst, ']');
}

const char *delta_json_net_media(const struct net_delta *d)
{
	for (size_t i = 0; i < d->n; i++)
		for (int f = 0; f < 2; f++)
			if (d->pids[i].family[f].how == FAMILY_EDIT)
				return MEDIA_JSON_PATCH;
	return MEDIA_MERGE_PATCH;
}

enum rc delta_json_net(const struct net_delta *d, struct buf *dst)
{
	if (!d->to[0])
		return RC_EINVAL;
	if (strcmp(delta_json_net_media(d), MEDIA_MERGE_PATCH) == 0)
		put_net_merge(dst, d);
	else
		put_net_ops(dst, d);
	return buf_rc(dst);
}

/* Patches are cells for the most part: room is asked for once a cell. */
static void put_cell(struct buf *dst, const struct index *names,
                     const struct cell_delta *c)
{
	size_t len = index_name_len(names, c->dst), n = len + 3;
	char *p = buf_room(dst, n + NUMBER_TEXT_MAX + 1);

	if (!p)
		return;
	p[0] = '"';
	memcpy(p + 1, index_name(names, c->dst), len);
	memcpy(p + 1 + len, "\":null", sizeof("\":null") - 1);
	if (c->cost == c->cost)
		n += number_print(c->cost, p + n);
	else
		n += 4;
	buf_used(dst, n);
}

static void put_row(struct buf *dst, const struct cost_delta *d,
                    const struct row_delta *r)
{
	put_name(dst, index_name(d->names, r->src),
	         index_name_len(d->names, r->src));
	if (r->gone) {
		buf_puts(dst, "null");
		return;
	}
	buf_putc(dst, '{');
	for (size_t i = 0; i < r->n; i++) {
		if (i)
			buf_putc(dst, ',');
		put_cell(dst, d->names, &d->cells[r->first + i]);
	}
	buf_putc(dst, '}');
}

enum rc delta_json_cost(const struct cost_delta *d, const char *net_id,
                        struct buf *dst)
{
	if (!d->to[0] || (d->net_tag[0] && !net_id))
		return RC_EINVAL;
	buf_putc(dst, '{');
	for (size_t i = 0; i < d->n_rows; i++) {
		buf_puts(dst, i ? "," : "\"cost-map\":{");
		put_row(dst, d, &d->rows[i]);
	}
	buf_puts(dst, d->n_rows ? "},\"meta\":{" : "\"meta\":{");
	if (d->net_tag[0]) {
		buf_puts(dst, "\"dependent-vtags\":[{\"resource-id\":");
		put_string(dst, net_id);
		buf_puts(dst, ",\"tag\":");
		put_string(dst, d->net_tag);
		buf_puts(dst, "}],");
	}
	buf_puts(dst, "\"vtag\":{\"tag\":");
	put_string(dst, d->to);
	buf_puts(dst, "}}}");
	return buf_rc(dst);
}
