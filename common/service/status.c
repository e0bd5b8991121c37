#include "common/service/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define OTHER "other"		/* all reasons for which there was no room */

struct status {
	atomic_uint_fast64_t counter[STATUS_COUNTERS_N];
	atomic_uint_fast64_t subscribers;
	pthread_mutex_t lock;		/* of what follows */
	size_t n_troubles;
	struct status_trouble trouble[STATUS_TOPICS];	/* oldest first */
	bool has_upstream;
	struct status_upstream upstream;
	size_t n_reasons;
	const char *reason[STATUS_REASONS];
	uint64_t closed[STATUS_REASONS];
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

void status_set_upstream(struct status *st, const struct status_upstream *u)
{
	pthread_mutex_lock(&st->lock);
	st->upstream = *u;
	st->has_upstream = true;
	pthread_mutex_unlock(&st->lock);
}

bool status_get_upstream(struct status *st, struct status_upstream *out)
{
	bool has;

	pthread_mutex_lock(&st->lock);
	has = st->has_upstream;
	if (has)
		*out = st->upstream;
	pthread_mutex_unlock(&st->lock);
	return has;
}

void status_set_subscribers(struct status *st, uint64_t n)
{
	atomic_store_explicit(&st->subscribers, n, memory_order_relaxed);
}

uint64_t status_subscribers(const struct status *st)
{
	return atomic_load_explicit(&st->subscribers, memory_order_relaxed);
}

void status_closed(struct status *st, const char *reason)
{
	size_t i = 0;

	pthread_mutex_lock(&st->lock);
	while (i < st->n_reasons && strcmp(st->reason[i], reason) != 0)
		i++;
	if (i >= STATUS_REASONS - 1) {
		i = STATUS_REASONS - 1;
		reason = OTHER;
	}
	if (i >= st->n_reasons) {
		st->reason[i] = reason;
		st->n_reasons = i + 1;
	}
	st->closed[i]++;
	pthread_mutex_unlock(&st->lock);
}

size_t status_closes(struct status *st, const char *reason[STATUS_REASONS],
                     uint64_t count[STATUS_REASONS])
{
	size_t n;

	pthread_mutex_lock(&st->lock);
	n = st->n_reasons;
	memcpy(reason, st->reason, n * sizeof(reason[0]));
	memcpy(count, st->closed, n * sizeof(count[0]));
	pthread_mutex_unlock(&st->lock);
	return n;
}
