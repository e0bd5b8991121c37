#include "server/keep.h"

#include <stdlib.h>
#include <string.h>

#include "common/service/publish.h"
#include "common/wire/json.h"

#define META_FILE	"file:"		/* + id: map_record */
#define META_PROXIES	"proxies"	/* JSON, as in the IRD */
#define TEXT_MAX	(1u << 20)
#define PROXIES_MAX	(16u << 20)

enum rc keep_records(struct journal *j, const struct mapset *s,
                     const struct keyring *ring, struct diag *d)
{
	struct buf key = BUF_INIT(128), text = BUF_INIT(TEXT_MAX);
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < s->n; i++) {
		const struct map_entry *m = &s->maps[i];

		if (!m->next || !m->found.known)
			continue;
		buf_clear(&key);
		buf_clear(&text);
		buf_printf(&key, META_FILE "%s", m->id);
		map_record_print(&m->found, &text);
		rc = journal_meta_set(j, buf_str(&key), text.data, text.len,
		                      d);
	}
	if (rc == RC_OK) {
		buf_clear(&text);
		rc = keyring_write(ring, &text);
	}
	if (rc == RC_OK)
		rc = journal_meta_set(j, META_KEYS, text.data, text.len, d);
	buf_free(&key);
	buf_free(&text);
	return rc;
}

enum rc keep_load_keys(struct journal *j, const char *path, const char *state,
                       bool empty, struct keyring **out, struct diag *d)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	enum rc rc = journal_meta_get(j, META_KEYS, &text, d);

	if (rc == RC_OK || rc == RC_ENOENT)
		rc = keyring_open(path, state, empty && rc == RC_ENOENT ? NULL :
		                  &text, out, d);
	buf_free(&text);
	return rc;
}

void keep_load_records(struct journal *j, struct mapset *s)
{
	struct buf key = BUF_INIT(128), text = BUF_INIT(1024);

	for (size_t i = 0; i < s->n; i++) {
		struct map_entry *m = &s->maps[i];

		buf_clear(&key);
		buf_clear(&text);
		buf_printf(&key, META_FILE "%s", m->id);
		if (journal_meta_get(j, buf_str(&key), &text, NULL) != RC_OK ||
		    map_record_read(buf_str(&text), text.len,
		                       &m->taken) != RC_OK)
			memset(&m->taken, 0, sizeof(m->taken));
	}
	buf_free(&key);
	buf_free(&text);
}

enum rc keep_proxies(struct journal *j, const struct ird_proxy *list, size_t n,
                     struct diag *d)
{
	struct buf text = BUF_INIT(PROXIES_MAX);
	enum rc rc;

	buf_putc(&text, '{');
	for (size_t i = 0; i < n; i++) {
		buf_puts(&text, i ? "," : "");
		json_put_string(&text, list[i].name, strlen(list[i].name));
		buf_puts(&text, ":{\"push\":");
		json_put_string(&text, list[i].push, strlen(list[i].push));
		buf_puts(&text, ",\"uri\":");
		json_put_string(&text, list[i].uri, strlen(list[i].uri));
		buf_putc(&text, '}');
	}
	buf_putc(&text, '}');
	rc = buf_rc(&text);
	if (rc == RC_OK)
		rc = journal_meta_set(j, META_PROXIES, text.data, text.len, d);
	buf_free(&text);
	return rc;
}

static bool read_proxy(const char *name, const json_t *v,
                       struct ird_proxy *out)
{
	const char *uri, *push;

	if (strlen(name) > IRD_NAME_MAX ||
	    json_text(v, "", "uri", IRD_URI_MAX, &uri, NULL) != RC_OK ||
	    json_text(v, "", "push", IRD_URI_MAX, &push, NULL) != RC_OK)
		return false;
	memcpy(out->name, name, strlen(name) + 1);
	memcpy(out->uri, uri, strlen(uri) + 1);
	memcpy(out->push, push, strlen(push) + 1);
	return true;
}

enum rc keep_load_proxies(struct journal *j, struct ird_proxy **list,
                          size_t *n)
{
	struct buf text = BUF_INIT(PROXIES_MAX);
	struct ird_proxy *all;
	json_t *doc = NULL, *v;
	const char *name;
	size_t count = 0;
	enum rc rc = journal_meta_get(j, META_PROXIES, &text, NULL);

	if (rc == RC_OK)
		rc = json_read(text.data, text.len, text.len, &doc, NULL);
	all = calloc(json_object_size(doc) + 1, sizeof(*all));
	if (rc == RC_OK && all)
		json_object_foreach(doc, name, v)
			count += read_proxy(name, v, &all[count]);
	json_decref(doc);
	buf_free(&text);
	if (!all)
		return RC_ENOMEM;
	*list = all;
	*n = count;
	return RC_OK;
}
