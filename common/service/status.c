#include "common/service/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define OTHER "other"		/* all reasons for which there was no room */

/* By reason: static texts. */
struct tally {
	size_t n;
	const char *reason[STATUS_REASONS];
	uint64_t count[STATUS_REASONS];
};

struct status {
	atomic_uint_fast64_t counter[STATUS_COUNTERS_N];
	atomic_uint_fast64_t subscribers;
	pthread_mutex_t lock;		/* of what follows */
	size_t n_troubles;
	struct status_trouble trouble[STATUS_TOPICS];	/* oldest first */
	size_t n_upstreams;
	struct status_upstream upstream[STATUS_UPSTREAMS];
	struct tally closes, refusals;
	struct status_next_key next_key;
	unsigned deferred;
	uint64_t deferred_due_ms;
};

static const char *const names[] = {
#define X(name, help) #name,
	STATUS_COUNTERS(X)
#undef X
};

static const char *const helps[] = {
#define X(name, help) help,
	STATUS_COUNTERS(X)
#undef X
};

enum rc status_new(struct status **out)
{
	struct status *st = calloc(1, sizeof(*st));

	if (!st)
		return RC_ENOMEM;
	if (pthread_mutex_init(&st->lock, NULL) != 0) {
		free(st);
		return RC_ENOMEM;
	}
	for (size_t i = 0; i < STATUS_COUNTERS_N; i++)
		atomic_init(&st->counter[i], 0);
	atomic_init(&st->subscribers, 0);
	*out = st;
	return RC_OK;
}

void status_free(struct status *st)
{
	if (!st)
		return;
	pthread_mutex_destroy(&st->lock);
	free(st);
}

void status_add(struct status *st, enum status_counter c, uint64_t n)
{
	atomic_fetch_add_explicit(&st->counter[c], n, memory_order_relaxed);
}

uint64_t status_get(const struct status *st, enum status_counter c)
{
	return atomic_load_explicit(&st->counter[c], memory_order_relaxed);
}

const char *status_counter_name(enum status_counter c)
{
	return names[c];
}

const char *status_counter_help(enum status_counter c)
{
	return helps[c];
}

/* As much of src as fits, not cut within a character of UTF-8. */
static void copy_text(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size);

	if (n == size)
		for (n--; n > 0 && ((unsigned char)src[n] & 0xc0) == 0x80;)
			n--;
	memcpy(dst, src, n);
	dst[n] = '\0';
}

static size_t find_trouble(const struct status *st, const char *topic)
{
	size_t i = 0;

	while (i < st->n_troubles && strcmp(st->trouble[i].topic, topic) != 0)
		i++;
	return i;
}

static void drop_trouble(struct status *st, size_t i)
{
	if (i == st->n_troubles)
		return;
	st->n_troubles--;
	memmove(&st->trouble[i], &st->trouble[i + 1],
	        (st->n_troubles - i) * sizeof(st->trouble[0]));
}

/* A trouble that goes on under another text keeps its beginning. */
void status_trouble(struct status *st, const char *topic, const char *text,
                    int64_t now)
{
	char name[sizeof(st->trouble[0].topic)];
	struct status_trouble *t;
	size_t i;

	copy_text(name, sizeof(name), topic);
	pthread_mutex_lock(&st->lock);
	i = find_trouble(st, name);
	t = &st->trouble[i];
	if (!text || text[0] == '\0') {
		drop_trouble(st, i);
	} else if (i < STATUS_TOPICS) {
		if (i == st->n_troubles) {
			st->n_troubles++;
			memcpy(t->topic, name, sizeof(name));
			t->since = now;
		}
		copy_text(t->text, sizeof(t->text), text);
	}
	pthread_mutex_unlock(&st->lock);
}

size_t status_troubles(struct status *st,
                       struct status_trouble out[STATUS_TOPICS])
{
	size_t n;

	pthread_mutex_lock(&st->lock);
	n = st->n_troubles;
	memcpy(out, st->trouble, n * sizeof(out[0]));
	pthread_mutex_unlock(&st->lock);
	return n;
}

void status_set_upstreams(struct status *st, const struct status_upstream *u,
                          size_t n)
{
	if (n > STATUS_UPSTREAMS)
		n = STATUS_UPSTREAMS;
	pthread_mutex_lock(&st->lock);
	memcpy(st->upstream, u, n * sizeof(*u));
	st->n_upstreams = n;
	pthread_mutex_unlock(&st->lock);
}

size_t status_get_upstreams(struct status *st,
                            struct status_upstream out[STATUS_UPSTREAMS])
{
	size_t n;

	pthread_mutex_lock(&st->lock);
	n = st->n_upstreams;
	memcpy(out, st->upstream, n * sizeof(out[0]));
	pthread_mutex_unlock(&st->lock);
	return n;
}

void status_set_next_key(struct status *st, const struct status_next_key *k)
{
	pthread_mutex_lock(&st->lock);
	st->next_key = *k;
	pthread_mutex_unlock(&st->lock);
}

void status_get_next_key(struct status *st, struct status_next_key *out)
{
	pthread_mutex_lock(&st->lock);
	*out = st->next_key;
	pthread_mutex_unlock(&st->lock);
}

void status_set_deferred(struct status *st, unsigned n, uint64_t due_ms)
{
	pthread_mutex_lock(&st->lock);
	st->deferred = n;
	st->deferred_due_ms = due_ms;
	pthread_mutex_unlock(&st->lock);
}

unsigned status_get_deferred(struct status *st, uint64_t *due_ms)
{
	unsigned n;

	pthread_mutex_lock(&st->lock);
	n = st->deferred;
	*due_ms = st->deferred_due_ms;
	pthread_mutex_unlock(&st->lock);
	return n;
}

void status_set_subscribers(struct status *st, uint64_t n)
{
	atomic_store_explicit(&st->subscribers, n, memory_order_relaxed);
}

uint64_t status_subscribers(const struct status *st)
{
	return atomic_load_explicit(&st->subscribers, memory_order_relaxed);
}

static void tally_add(struct status *st, struct tally *t, const char *reason)
{
	size_t i = 0;

	pthread_mutex_lock(&st->lock);
	while (i < t->n && strcmp(t->reason[i], reason) != 0)
		i++;
	if (i >= STATUS_REASONS - 1) {
		i = STATUS_REASONS - 1;
		reason = OTHER;
	}
	if (i >= t->n) {
		t->reason[i] = reason;
		t->n = i + 1;
	}
	t->count[i]++;
	pthread_mutex_unlock(&st->lock);
}

static size_t tally_get(struct status *st, const struct tally *t,
                        const char *reason[STATUS_REASONS],
                        uint64_t count[STATUS_REASONS])
{
	size_t n;

	pthread_mutex_lock(&st->lock);
	n = t->n;
	memcpy(reason, t->reason, n * sizeof(reason[0]));
	memcpy(count, t->count, n * sizeof(count[0]));
	pthread_mutex_unlock(&st->lock);
	return n;
}

void status_closed(struct status *st, const char *reason)
{
	tally_add(st, &st->closes, reason);
}

size_t status_closes(struct status *st, const char *reason[STATUS_REASONS],
                     uint64_t count[STATUS_REASONS])
{
	return tally_get(st, &st->closes, reason, count);
}

void status_refused(struct status *st, const char *reason)
{
	tally_add(st, &st->refusals, reason);
}

size_t status_refusals(struct status *st, const char *reason[STATUS_REASONS],
                       uint64_t count[STATUS_REASONS])
{
	return tally_get(st, &st->refusals, reason, count);
}
