/* Any bytes as a cost map. What is taken must come out canonical: written and
 * read again, it is the same map, row for row. The first byte says how the input
 * is cut into reads. Input: JSON text behind it. */
#include <stdlib.h>
#include <string.h>

#include "common/wire/costmap_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct cut {
	const char *p;
	size_t left, step;
};

static long from_cut(void *arg, char *dst, size_t len)
{
	struct cut *c = arg;
	size_t n = c->left < c->step ? c->left : c->step;

	if (n > len)
		n = len;
	if (n)
		memcpy(dst, c->p, n);
	c->p += n;
	c->left -= n;
	return (long)n;
}

static struct costmap *load(const char *text, size_t len, size_t step,
                            const struct costmap *base)
{
	struct cut cut = { text, len, step };
	struct map_notes notes;
	struct costmap *m = NULL;
	struct diag d = { 0 };
	struct scan *s;
	struct vtag stated;
	enum rc rc;

	rc = step ? scan_new_reader(from_cut, &cut, &d, &s)
	          : scan_new_bytes(text, len, &d, &s);
	if (rc != RC_OK)
		return NULL;
	rc = costmap_json_read(s, base, &m, &stated, &notes);
	if (rc == RC_OK ? !m : !!m || (rc != RC_ENOMEM && !d.text[0]))
		abort();
	scan_free(s);
	return m;
}

static void put_map(const struct costmap *m, struct buf *dst)
{
	const struct costmeta *meta = costmap_meta(m);
	struct index *names = costmap_names(m);
	const char *comma = "";

	buf_printf(dst, "{\"meta\":{\"cost-type\":{\"cost-metric\":\"%s\","
	           "\"cost-mode\":\"%s\"},\"dependent-vtags\":[{"
	           "\"resource-id\":\"%s\"}]},\"cost-map\":{", meta->metric,
	           meta->mode, meta->net.id);
	for (uint32_t i = 0; i < index_count(names); i++) {
		if (!costmap_row(m, i))
			continue;
		buf_puts(dst, comma);
		costmap_json_row(index_name(names, i), costmap_row(m, i),
		                 names, dst);
		comma = ",";
	}
	buf_puts(dst, "}}");
}

static void check_again(const struct costmap *m)
{
	struct buf text = BUF_INIT(64u << 20);
	struct costmap *again;

	put_map(m, &text);
	if (buf_rc(&text) == RC_OK) {
		again = load(buf_str(&text), text.len, 0, m);
		if (!again || costmap_pids(again) != costmap_pids(m))
			abort();
		for (size_t i = 0; i < costmap_pids(m); i++)
			if (costmap_row(again, i) != costmap_row(m, i))
				abort();	/* equal rows are shared */
		costmap_unref(again);
	}
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct costmap *m;

	if (!size)
		return 0;
	m = load((const char *)data + 1, size - 1, data[0], NULL);
	if (m)
		check_again(m);
	costmap_unref(m);
	return 0;
}
