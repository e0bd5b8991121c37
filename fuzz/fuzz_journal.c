/* fuzz_journal.c - restoring from damaged records, for libFuzzer.
 *
 * A journal is written of a world's bases and updates, each record damaged as the
 * input says: five bytes a damage. What comes back proves itself, or nothing does
 * and the journal is named. It all happens in one transaction that is given up,
 * so nothing goes to the disk. Links with tests/world.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/service/publish.h"
#include "common/service/restore.h"
#include "common/wire/body.h"
#include "tests/world.h"

#define RECORDS_MAX 64
#define TEXT_MAX ((size_t)16 << 20)
#define UPDATES 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind { STATE, LOG_START, LEAF, BODY, UPDATE };

static struct record {
	enum kind kind;
	char id[ID_MAX + 1];		/* LEAF, BODY */
	char type[RESOURCE_TYPE_MAX + 1];
	char *data;
	size_t len;
} whole[RECORDS_MAX];
static size_t n_records;
static char dir[] = "/tmp/fuzz_journal.XXXXXX";
static struct journal *journal;
static struct world *w;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct record *add(enum kind kind, const char *data, size_t len)
{
	struct record *r = &whole[n_records++];

	must(n_records <= RECORDS_MAX);
	r->kind = kind;
	r->data = malloc(len + 1);
	r->len = len;
	must(r->data != NULL);
	memcpy(r->data, data, len);
	return r;
}

static void add_state(enum kind kind, const struct state *st)
{
	struct buf b = BUF_INIT(4 * STATE_TEXT_MAX);

	buf_printf(&b, "%s\n%s\n%s\n", st->text, st->input, st->signature);
	add(kind, b.data, b.len);
	buf_free(&b);
}

static void add_base(const struct resource *res)
{
	const struct resource_name *name = resource_name(res);
	struct record *r;
	char *body = NULL;
	size_t len;

	must(body_flat(res, TEXT_MAX, &body, &len) == RC_OK);
	for (int i = 0; i < 2; i++) {
		r = i ? add(BODY, body, len) :
		    add(LEAF, resource_leaf(res), strlen(resource_leaf(res)));
		memcpy(r->id, name->id, sizeof(r->id));
		memcpy(r->type, name->type, sizeof(r->type));
	}
	free(body);
}

static void leave(void)
{
	char path[64];

	journal_close(journal);
	snprintf(path, sizeof(path), "%s/journal.db", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/journal.lock", dir);
	unlink(path);
	rmdir(dir);
}

static void make_records(void)
{
	const struct snapshot *first;

	w = world_new(1);
	first = w->head;
	for (size_t i = 0; i < snapshot_count(first); i++)
		add_base(snapshot_at(first, i));
	add_state(LOG_START, snapshot_state(first));
	for (int i = 0; i < UPDATES; i++) {
		struct update *u;

		world_edit_cost(w, 0);
		world_edit_net(w, 0);
		u = world_publish(w);
		must(u != NULL);
		add(UPDATE, u->text, u->len);
	}
	add_state(STATE, snapshot_state(w->head));
	must(mkdtemp(dir) && journal_open(dir, &journal, NULL) == RC_OK &&
	     atexit(leave) == 0);
}

/* In place: a byte, the end, a part that moves, or the whole record. */
static void damage(struct record *r, const uint8_t how[5])
{
	size_t at = (how[1] | (size_t)how[2] << 8) % (r->len + 1);

	switch (how[3] % 4) {
	case 0:
		if (at < r->len)
			r->data[at] = (char)how[4];
		break;
	case 1:
		r->len = at;
		break;
	case 2:
		if (at + how[4] < r->len) {
			r->len -= how[4];
			memmove(r->data + at, r->data + at + how[4],
			        r->len - at);
		}
		break;
	default:
		if (how[4] % 4 == 0)
			r->data = NULL;		/* it is lost */
	}
}

static enum rc read_body(void *arg, uint64_t off, char *dst, size_t len)
{
	const struct record *r = arg;

	memcpy(dst, r->data + off, len);
	return RC_OK;
}

static void write_base(const struct record *leaf, struct record *body,
                       uint64_t serial)
{
	struct journal_base base = {
		.id = leaf->id, .type = leaf->type, .serial = serial,
		.size = body->len
	};
	char *text = strndup(leaf->data, leaf->len);

	must(text != NULL);
	base.leaf = text;
	must(journal_base_write(journal, &base, read_body, body, NULL) ==
	     RC_OK);
	free(text);
}

static void write_records(struct record *r, uint64_t first)
{
	uint64_t serial = first;

	must(journal_update_clear(journal, first, NULL) == RC_OK);
	for (size_t i = 0; i < n_records; i++) {
		const char *key = r[i].kind == STATE ? META_STATE :
		                  META_LOG_START;

		if (r[i].kind == LEAF && r[i].data && r[i + 1].data)
			write_base(&r[i], &r[i + 1], first);
		if (r[i].kind == UPDATE && r[i].data) {
			must(journal_update_add(journal, serial + 1, serial,
			                        r[i].data, r[i].len, NULL) ==
			     RC_OK);
			serial++;
		}
		if (r[i].kind <= LOG_START && r[i].data)
			must(journal_meta_set(journal, key, r[i].data, r[i].len,
			                      NULL) == RC_OK);
	}
}

static void check(bool sound)
{
	struct restored got = { 0 };
	struct diag d = { 0 };
	enum rc rc = restore(journal, &got, &d);

	if (rc == RC_OK) {
		must(world_proves(got.snapshot, NULL));
		restored_free(&got);
	} else {
		must(!sound && (rc == RC_ENOENT || (d.text[0] && d.file[0])));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record r[RECORDS_MAX];
	char *held[RECORDS_MAX];

	if (!journal)
		make_records();
	memcpy(r, whole, sizeof(r));
	for (size_t i = 0; i < n_records; i++) {
		r[i].data = held[i] = malloc(r[i].len + 1);
		must(held[i] != NULL);
		memcpy(r[i].data, whole[i].data, r[i].len);
	}
	for (size_t i = 0; i + 4 < size && i < 40; i += 5) {
		struct record *one = &r[data[i] % n_records];

		if (one->data)
			damage(one, data + i);
	}
	must(journal_begin(journal, NULL) == RC_OK);
	write_records(r, snapshot_state(w->past[0])->pos.serial);
	check(size < 5);
	journal_rollback(journal);
	for (size_t i = 0; i < n_records; i++)
		free(held[i]);
	return 0;
}
