/* A journal in a directory of its own. */
#include "tests/journal_stage.h"

#include <unistd.h>

#include "tests/suite.h"

char dir[] = "/tmp/test_journal.XXXXXX";

void fresh(void)
{
	static const char *const names[] = {
		"journal.db", "journal.db-wal", "journal.db-shm", "journal.lock"
	};

	char path[64];

	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
}

struct journal *open_it(void)
{
	struct journal *j = NULL;
	struct diag d = { .line = 0 };

	CU_ASSERT_EQUAL(journal_open(dir, &j, &d), RC_OK);
	if (d.text[0])
		printf("%s: %s\n", d.file, d.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	return j;
}

struct journal *reopen(struct journal *j)
{
	journal_close(j);
	return open_it();
}

uint64_t head_of(struct journal *j)
{
	struct journal_sizes sizes = { .last = UINT64_MAX };

	CU_ASSERT_EQUAL(journal_sizes(j, &sizes, NULL), RC_OK);
	return sizes.last;
}

void meta_is(struct journal *j, const char *key, const char *want)
{
	struct buf b = BUF_INIT(1000);

	CU_ASSERT_EQUAL(journal_meta_get(j, key, &b, NULL),
			want ? RC_OK : RC_ENOENT);
	if (want)
		CU_ASSERT_STRING_EQUAL(buf_str(&b), want);
	buf_free(&b);
}

enum rc meta_set(struct journal *j, const char *key, const char *text)
{
	return journal_meta_set(j, key, text, strlen(text), NULL);
}

enum rc update(struct journal *j, uint64_t serial, const char *text)
{
	return journal_update_add(j, serial, serial - 1, text, strlen(text),
				  NULL);
}

/* Body byte i of a base made from seed. */
static char body_byte(uint64_t i, unsigned seed)
{
	return (char)(unsigned char)((i * 31 + (i >> 12) + seed) & 0xff);
}

static enum rc read_body(void *arg, uint64_t off, char *dst, size_t len)
{
	struct body *b = arg;

	if (off >= b->fail_at)
		return RC_EDIGEST;
	if (len > b->largest)
		b->largest = len;
	for (size_t i = 0; i < len; i++)
		dst[i] = body_byte(off + i, b->seed);
	b->asked += len;
	return RC_OK;
}

enum rc put_base(struct journal *j, const char *id, uint64_t serial,
                 uint64_t size, struct body *body)
{
	const struct journal_base base = {
		.id = id, .type = "application/x", .leaf = "leaf",
		.serial = serial, .size = size,
	};

	return journal_base_write(j, &base, read_body, body, NULL);
}

void base_is(struct journal *j, const char *id, uint64_t size, unsigned seed)
{
	struct buf b = BUF_INIT((size_t)1 << 30);
	size_t wrong = 0;

	CU_ASSERT_EQUAL(journal_base_read(j, id, &b, NULL), RC_OK);
	CU_ASSERT_EQUAL(b.len, size);
	for (size_t i = 0; i < b.len; i++)
		wrong += b.data[i] != body_byte(i, seed);
	CU_ASSERT_EQUAL(wrong, 0);
	buf_free(&b);
}

static enum rc add_key(void *arg, const char *key, const void *data,
		       size_t len)
{
	struct list *l = arg;
	size_t at_end = strlen(l->text);

	if (l->stop && l->n == l->stop)
		return RC_EAGAIN;
	l->n++;
	snprintf(l->text + at_end, sizeof(l->text) - at_end, "%s=%.*s;", key,
		 (int)len, (const char *)data);
	return RC_OK;
}

enum rc add_update(void *arg, uint64_t serial, const void *data, size_t len)
{
	char key[24];

	snprintf(key, sizeof(key), "%ju", (uintmax_t)serial);
	return add_key(arg, key, data, len);
}

void updates_are(struct journal *j, uint64_t from, enum rc rc,
                 const char *want)
{
	struct list l = { .n = 0 };

	CU_ASSERT_EQUAL(journal_update_each(j, from, add_update, &l, NULL), rc);
	CU_ASSERT_STRING_EQUAL(l.text, want);
}

enum rc add_base(void *arg, const struct journal_base *b)
{
	char text[100];

	snprintf(text, sizeof(text), "%ju,%s,%s,%ju", (uintmax_t)b->serial,
		 b->type, b->leaf, (uintmax_t)b->size);
	return add_key(arg, b->id, text, strlen(text));
}
