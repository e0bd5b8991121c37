/* Long because it is flat: one line for each member and each metric. */
#include "common/service/report.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/core/vtag.h"
#include "common/wire/json.h"
#include "common/wire/state_json.h"


/* what both texts are made from */

const char *report_freshness(const struct state *st, unsigned heartbeat,
                             int64_t now, int64_t *age)
{
	*age = now > st->created ? now - st->created : 0;
	if (now >= st->expires)
		return "expired";
	return *age < (int64_t)STATE_FRESH_BEATS * heartbeat ? "fresh" : "stale";
}

enum sub_state { IS_HELLO, IS_SNAPSHOT, IS_DELTA, IS_CURRENT, IS_BEHIND,
                 IS_STATES };

static const char *const sub_state_names[] = {
	"hello", "snapshot", "delta", "current", "behind"
};

static enum sub_state state_of(const struct push_info *i,
                               const struct snapshot *head)
{
	const struct position *acked = pub_acked(i->pub);

	if (!pub_subscribed(i->pub))
		return IS_HELLO;
	if (pub_mode(i->pub) == MODE_BEHIND)
		return IS_BEHIND;
	if (head && position_cmp(acked, &snapshot_state(head)->pos) == 0)
		return IS_CURRENT;
	if (pub_mode(i->pub) == MODE_SNAPSHOT && acked->serial == 0)
		return IS_SNAPSHOT;
	return IS_DELTA;
}

/* false: they are of different sessions, so it is no number. */
static bool lag_versions(const struct push_info *i,
                         const struct snapshot *head, uint64_t *lag)
{
	const struct position *acked = pub_acked(i->pub), *at;

	if (!head)
		return false;
	at = &snapshot_state(head)->pos;
	if (!position_same_session(acked, at))
		return false;
	*lag = at->serial > acked->serial ? at->serial - acked->serial : 0;
	return true;
}

static double lag_seconds(const struct push_info *i, uint64_t mono_ms)
{
	if (i->behind_ms == 0 || i->behind_ms > mono_ms)
		return 0;
	return (double)(mono_ms - i->behind_ms) / 1000;
}

/* JSON */

/* A value that ends in one of the two brackets is closed by its own, so the
 * last byte says whether this is the first member. */
static void comma(struct buf *b)
{
	char last = b->len > 0 ? b->data[b->len - 1] : '{';

	if (last != '{' && last != '[')
		buf_putc(b, ',');
}

/* name NULL: an element of an array. */
static void put_name(struct buf *b, const char *name)
{
	comma(b);
	if (name)
		buf_printf(b, "\"%s\":", name);
}

/* The length of a character of UTF-8 at s; 0: it is none. Good enough for
 * JSON readers: surrogates and overlong forms of three bytes are refused. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 :
	           s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Some texts come from files and from other machines: a byte that is no UTF-8
 * becomes "?". */
static void put_str(struct buf *b, const char *name, const char *text)
{
	struct buf clean = BUF_INIT(65536);
	size_t n;

	for (; *text != '\0'; text += n) {
		n = utf8_len((const unsigned char *)text);
		buf_add(&clean, n ? text : "?", n ? n : 1);
		n = n ? n : 1;
	}
	put_name(b, name);
	json_put_string(b, buf_str(&clean), clean.len);
	buf_free(&clean);
}

/* A member that is left out when it is empty. */
static void put_some(struct buf *b, const char *name, const char *text)
{
	if (text[0] != '\0')
		put_str(b, name, text);
}

static void put_int(struct buf *b, const char *name, int64_t n)
{
	put_name(b, name);
	buf_printf(b, "%lld", (long long)n);
}

static void put_count(struct buf *b, const char *name, uint64_t n)
{
	put_name(b, name);
	buf_printf(b, "%llu", (unsigned long long)n);
}

static void put_seconds(struct buf *b, const char *name, double s)
{
	put_name(b, name);
	buf_printf(b, "%.3f", s);
}

static void put_bool(struct buf *b, const char *name, bool yes)
{
	put_name(b, name);
	buf_puts(b, yes ? "true" : "false");
}

static void begin(struct buf *b, const char *name, char bracket)
{
	put_name(b, name);
	buf_putc(b, bracket);
}

/* status */

static void put_head(const struct report *r, int64_t now, struct buf *b)
{
	const struct state *st = snapshot_state(r->head);
	int64_t age;
	const char *fresh = report_freshness(st, r->heartbeat, now, &age);

	put_str(b, "service", st->service);
	put_str(b, "session", st->pos.session);
	put_count(b, "serial", st->pos.serial);
	put_count(b, "map-serial", snapshot_map_serial(r->head));
	put_int(b, "created", st->created);
	put_int(b, "expires", st->expires);
	put_str(b, "freshness", fresh);
	put_int(b, "age", age);
	put_str(b, "key", st->key);
}

static void put_log(const struct push *p, struct buf *b)
{
	size_t count, bytes;
	uint64_t oldest;

	push_log(p, &count, &bytes, &oldest);
	begin(b, "log", '{');
	put_count(b, "updates", count);
	put_count(b, "bytes", bytes);
	put_count(b, "oldest", oldest);
	buf_putc(b, '}');
}

static void put_resource(const struct report *rep, size_t i, struct buf *b)
{
	const struct resource *r = snapshot_at(rep->head, i);
	const struct resource_name *n = resource_name(r);
	const struct netmap *net = resource_net(r);
	const struct costmap *cost = resource_cost(r);
	int64_t changed;

	begin(b, NULL, '{');
	put_str(b, "id", n->id);
	put_str(b, "media-type", n->type);
	put_str(b, "tag", n->tag);
	put_count(b, "size", n->size);
	put_count(b, "serial", snapshot_changed(rep->head, i));
	changed = rep->subscribers ? push_published(rep->subscribers,
		snapshot_changed(rep->head, i)) : 0;
	if (changed)
		put_count(b, "changed", (uint64_t)changed);
	put_bool(b, "overridden", rep->overridden &&
	         rep->overridden(n->id, rep->arg));
	if (net) {
		put_count(b, "pids", netmap_pids(net));
		put_count(b, "prefixes", netmap_prefixes(net));
	} else if (cost) {
		put_count(b, "pids", costmap_pids(cost));
		put_count(b, "cells", costmap_cells(cost));
	}
	buf_putc(b, '}');
}

static void put_resources(const struct report *r, struct buf *b)
{
	begin(b, "resources", '[');
	for (size_t i = 0; r->head && i < snapshot_count(r->head); i++)
		put_resource(r, i, b);
	buf_putc(b, ']');
}

struct each_sub {
	const struct report *r;
	uint64_t mono_ms;
	struct buf *b;
};

static void put_below(const struct pub *p, struct buf *b)
{
	const struct frame_below *below;
	size_t n;

	below = pub_below(p, &n);
	begin(b, "below", '[');
	for (size_t i = 0; i < n; i++) {
		begin(b, NULL, '{');
		put_str(b, "name", below[i].name);
		put_some(b, "session", below[i].pos.session);
		put_count(b, "serial", below[i].pos.serial);
		put_some(b, "uri", below[i].uri);
		put_some(b, "push", below[i].push);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void put_progress(const struct push_info *i, const struct each_sub *e)
{
	const struct position *acked = pub_acked(i->pub);
	uint64_t lag;

	put_count(e->b, "serial-sent", pub_sent(i->pub));
	if (acked->serial > 0) {
		put_count(e->b, "serial-acked", acked->serial);
		put_str(e->b, "session-acked", acked->session);
	}
	if (lag_versions(i, e->r->head, &lag))
		put_count(e->b, "lag-versions", lag);
	put_seconds(e->b, "lag-seconds", lag_seconds(i, e->mono_ms));
}

static const char *mode_name(enum frame_mode m)
{
	switch (m) {
	case MODE_CURRENT:	return "current";
	case MODE_DELTA:	return "delta";
	case MODE_SNAPSHOT:	return "snapshot";
	case MODE_BEHIND:	break;
	}
	return "behind";
}

static void put_subscriber(const struct push_info *i, void *arg)
{
	const struct each_sub *e = arg;
	const struct pub_counts *c = pub_counts(i->pub);
	bool known = pub_subscribed(i->pub);

	begin(e->b, NULL, '{');
	put_str(e->b, "name", pub_name(i->pub));
	put_str(e->b, "address", i->peer);
	put_str(e->b, "state", sub_state_names[state_of(i, e->r->head)]);
	if (known) {
		put_str(e->b, "mode", mode_name(pub_mode(i->pub)));
		put_some(e->b, "reason", pub_reason(i->pub));
		put_some(e->b, "uri", pub_uri(i->pub));
		put_some(e->b, "push", pub_push_uri(i->pub));
		put_progress(i, e);
	}
	put_count(e->b, "connected-seconds", e->mono_ms > i->connected_ms
	          ? (e->mono_ms - i->connected_ms) / 1000 : 0);
	put_count(e->b, "updates", c->updates);
	put_count(e->b, "snapshots", c->snapshots);
	put_count(e->b, "bytes", c->bytes);
	put_count(e->b, "pending", i->pending);
	put_below(i->pub, e->b);
	buf_putc(e->b, '}');
}

static void put_upstream(const struct status_upstream *u, struct buf *b)
{
	begin(b, "upstreams", '[');
	begin(b, NULL, '{');
	put_str(b, "directory", u->directory);
	put_some(b, "push", u->push);
	put_str(b, "mode", u->mode);
	put_str(b, "phase", u->phase);
	put_int(b, "since", u->since);
	put_some(b, "trouble", u->trouble);
	put_count(b, "updates", u->counts.updates);
	put_count(b, "refused", u->counts.refused);
	put_count(b, "heartbeats", u->counts.heartbeats);
	put_count(b, "fetches", u->counts.fetches);
	put_count(b, "published", u->counts.published);
	put_count(b, "forks", u->counts.forks);
	begin(b, "reopened", '{');
	for (int i = 0; i < SUB_REASONS; i++)
		if (u->counts.reopened[i] > 0)
			put_count(b, sub_reason_text((enum sub_reason)i),
			          u->counts.reopened[i]);
	buf_puts(b, "}}]");
}

static void put_troubles(struct status *st, struct buf *b)
{
	struct status_trouble t[STATUS_TOPICS];
	size_t n = status_troubles(st, t);

	begin(b, "troubles", '[');
	for (size_t i = 0; i < n; i++) {
		begin(b, NULL, '{');
		put_str(b, "topic", t[i].topic);
		put_str(b, "text", t[i].text);
		put_int(b, "since", t[i].since);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void put_counters(const struct status *st, struct buf *b)
{
	begin(b, "counters", '{');
	for (int i = 0; i < STATUS_COUNTERS_N; i++)
		put_count(b, status_counter_name((enum status_counter)i),
		          status_get(st, (enum status_counter)i));
	buf_putc(b, '}');
}

void report_status(const struct report *r, int64_t now, uint64_t mono_ms,
                   struct buf *dst)
{
	struct each_sub e = { r, mono_ms, dst };
	struct status_upstream u;

	buf_putc(dst, '{');
	put_str(dst, "role", r->role);
	put_str(dst, "version", r->version);
	begin(dst, "listeners", '{');
	put_some(dst, "http", r->http);
	put_some(dst, "push", r->push);
	put_some(dst, "admin", r->admin);
	buf_putc(dst, '}');
	if (r->head)
		put_head(r, now, dst);
	put_count(dst, "heartbeat", r->heartbeat);
	put_count(dst, "snapshots-alive", snapshots_alive());
	if (r->subscribers)
		put_log(r->subscribers, dst);
	put_resources(r, dst);
	if (r->subscribers) {
		begin(dst, "subscribers", '[');
		push_each(r->subscribers, put_subscriber, &e);
		buf_putc(dst, ']');
	}
	if (status_get_upstream(r->status, &u))
		put_upstream(&u, dst);
	put_troubles(r->status, dst);
	put_counters(r->status, dst);
	buf_putc(dst, '}');
}

bool report_ready(const struct report *r, int64_t now, struct buf *dst)
{
	const char *fresh = "nothing";
	bool ready = false;
	int64_t age = 0;

	if (r->head) {
		fresh = report_freshness(snapshot_state(r->head), r->heartbeat,
		                         now, &age);
		/* Stale data is better than none: all proxies are stale when
		 * the server is away. */
		ready = strcmp(fresh, "expired") != 0;
	}
	buf_putc(dst, '{');
	put_bool(dst, "ready", ready);
	begin(dst, "reasons", '[');
	if (!r->head) {
		put_str(dst, NULL, "no map is here yet");
	} else if (strcmp(fresh, "fresh") != 0) {
		comma(dst);
		buf_printf(dst, "\"%s: signed %lld s ago\"", fresh,
		           (long long)age);
	}
	buf_puts(dst, "]}");
	return ready;
}

/* metrics */

/* type: "counter", "gauge". The name of a counter ends in _total. */
static void metric(struct buf *b, const char *name, const char *type,
                   const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void sample(struct buf *b, const char *name, double value)
{
	buf_printf(b, "%s %.15g\n", name, value);
}

/* One with one label, whose value is escaped as the format wants. */
static void labelled(struct buf *b, const char *name, const char *label,
                     const char *value, double number)
{
	buf_printf(b, "%s{%s=\"", name, label);
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			buf_putc(b, '\\');
		if (*value == '\n')
			buf_puts(b, "\\n");
		else
			buf_putc(b, *value);
	}
	buf_printf(b, "\"} %.15g\n", number);
}

static void gauge(struct buf *b, const char *name, const char *help,
                  double value)
{
	metric(b, name, "gauge", help);
	sample(b, name, value);
}

static void counter(struct buf *b, const char *name, const char *help,
                    double value)
{
	metric(b, name, "counter", help);
	sample(b, name, value);
}

/* Up to size - 1 bytes of a file of the kernel's; "" when there is none. */
static void read_proc(const char *path, char *dst, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(dst, 1, size - 1, f) : 0;

	dst[n] = '\0';
	if (f)
		fclose(f);
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n > 3 ? n - 3 : 0;	/* ".", ".." and this one */
}

/* Unix seconds; 0 when the kernel does not say: boot time plus the 22nd field
 * of stat, the 20th after the name in parentheses. */
static double start_time(void)
{
	char stat[1024], boot[16384], *at, *btime;

	read_proc("/proc/self/stat", stat, sizeof(stat));
	read_proc("/proc/stat", boot, sizeof(boot));
	at = strrchr(stat, ')');
	btime = strstr(boot, "\nbtime ");
	for (int i = 0; at && i < 20; i++)
		at = strchr(at + 1, ' ');
	if (!at || !btime)
		return 0;
	return strtod(btime + 7, NULL) +
	       strtod(at, NULL) / (double)sysconf(_SC_CLK_TCK);
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void process_metrics(struct buf *b)
{
	double page = (double)sysconf(_SC_PAGESIZE);
	struct rlimit files = { 0 };
	struct rusage use = { 0 };
	char statm[128], *rest;

	read_proc("/proc/self/statm", statm, sizeof(statm));
	getrusage(RUSAGE_SELF, &use);
	getrlimit(RLIMIT_NOFILE, &files);
	counter(b, "process_cpu_seconds_total", "CPU time used",
	        seconds(&use.ru_utime) + seconds(&use.ru_stime));
	gauge(b, "process_virtual_memory_bytes", "Virtual memory",
	      (double)strtoull(statm, &rest, 10) * page);
	gauge(b, "process_resident_memory_bytes", "Resident memory",
	      (double)strtoull(rest, NULL, 10) * page);
	gauge(b, "process_open_fds", "Open file descriptors", open_files());
	gauge(b, "process_max_fds", "Most file descriptors that may be open",
	      (double)files.rlim_cur);
	gauge(b, "process_start_time_seconds", "When the process began",
	      start_time());
}

static bool is_map(const struct snapshot *s, size_t i)
{
	return resource_kind(snapshot_at(s, i)) != RESOURCE_DOC;
}

static void entries(struct buf *b, const struct resource *r, const char *kind,
                    size_t n)
{
	/* an id has no character that would have to be escaped */
	buf_printf(b, "alto_map_entries{map=\"%s\",kind=\"%s\"} %zu\n",
	           resource_name(r)->id, kind, n);
}

static void map_entries(const struct resource *r, struct buf *b)
{
	const struct netmap *net = resource_net(r);
	const struct costmap *cost = resource_cost(r);

	if (net) {
		entries(b, r, "pids", netmap_pids(net));
		entries(b, r, "prefixes", netmap_prefixes(net));
	} else if (cost) {
		entries(b, r, "pids", costmap_pids(cost));
		entries(b, r, "cells", costmap_cells(cost));
	}
}

/* All samples of a metric have to stand together. */
static void map_metrics(const struct snapshot *s, struct buf *b)
{
	static const char version[] = "alto_map_version";
	static const char bytes[] = "alto_map_bytes";
	size_t n = snapshot_count(s);

	metric(b, version, "gauge", "Serial at which a map last changed");
	for (size_t i = 0; i < n; i++)
		if (is_map(s, i))
			labelled(b, version, "map",
			         resource_name(snapshot_at(s, i))->id,
			         (double)snapshot_changed(s, i));
	metric(b, bytes, "gauge", "Size of a map as JSON");
	for (size_t i = 0; i < n; i++)
		if (is_map(s, i))
			labelled(b, bytes, "map",
			         resource_name(snapshot_at(s, i))->id,
			         (double)resource_size(snapshot_at(s, i)));
	metric(b, "alto_map_entries", "gauge", "What a map consists of");
	for (size_t i = 0; i < n; i++)
		map_entries(snapshot_at(s, i), b);
}

static void head_metrics(const struct report *r, int64_t now, struct buf *b)
{
	static const char *const all[] = { "fresh", "stale", "expired" };
	static const char freshness[] = "alto_freshness";
	const struct state *st = snapshot_state(r->head);
	int64_t age;
	const char *is = report_freshness(st, r->heartbeat, now, &age);

	gauge(b, "alto_serial", "Serial of the version that is served",
	      (double)st->pos.serial);
	gauge(b, "alto_map_serial", "Serial at which any map last changed",
	      (double)snapshot_map_serial(r->head));
	gauge(b, "alto_state_created_timestamp_seconds",
	      "When the state that is served was signed",
	      (double)st->created);
	gauge(b, "alto_state_expires_timestamp_seconds",
	      "When the state that is served expires", (double)st->expires);
	metric(b, freshness, "gauge", "1 for what the state that is served is");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		labelled(b, freshness, "state", all[i],
		         strcmp(is, all[i]) == 0);
	map_metrics(r->head, b);
}

struct sub_totals {
	const struct report *r;
	uint64_t mono_ms;
	size_t by_state[IS_STATES];
	uint64_t lag_versions;
	double lag_seconds, pending;
};

static void add_subscriber(const struct push_info *i, void *arg)
{
	struct sub_totals *t = arg;
	double late = lag_seconds(i, t->mono_ms);
	uint64_t lag;

	t->by_state[state_of(i, t->r->head)]++;
	t->pending += (double)i->pending;
	if (lag_versions(i, t->r->head, &lag) && lag > t->lag_versions)
		t->lag_versions = lag;
	if (late > t->lag_seconds)
		t->lag_seconds = late;
}

/* Counts only: a label for each subscriber would tell the network's structure
 * to all who may read metrics. */
static void subscriber_metrics(const struct report *r, uint64_t mono_ms,
                               struct buf *b)
{
	struct sub_totals t = { .r = r, .mono_ms = mono_ms };
	size_t count, bytes;
	uint64_t oldest;

	push_each(r->subscribers, add_subscriber, &t);
	push_log(r->subscribers, &count, &bytes, &oldest);
	metric(b, "alto_subscribers", "gauge", "Subscribers connected");
	for (int i = 0; i < IS_STATES; i++)
		labelled(b, "alto_subscribers", "state", sub_state_names[i],
		         (double)t.by_state[i]);
	gauge(b, "alto_subscribers_lag_versions_max",
	      "Versions that the last subscriber is behind",
	      (double)t.lag_versions);
	gauge(b, "alto_subscribers_lag_seconds_max",
	      "Seconds that the last subscriber is behind", t.lag_seconds);
	gauge(b, "alto_subscribers_pending_bytes",
	      "Bytes that sockets have not taken", t.pending);
	gauge(b, "alto_log_updates", "Updates kept for subscribers",
	      (double)count);
	gauge(b, "alto_log_bytes", "Bytes of updates kept for subscribers",
	      (double)bytes);
}

static void upstream_metrics(const struct status_upstream *u, struct buf *b)
{
	static const char reopened[] = "alto_reopened_total";

	gauge(b, "alto_upstream_current", "1: what is served is the upstream's "
	      "newest", strcmp(u->phase, "current") == 0);
	gauge(b, "alto_upstream_phase_since_timestamp_seconds",
	      "When the connection upstream last changed its phase",
	      (double)u->since);
	counter(b, "alto_upstream_updates_total", "Updates applied",
	        (double)u->counts.updates);
	counter(b, "alto_upstream_refused_total",
	        "Patches that did not fit and were fetched instead",
	        (double)u->counts.refused);
	counter(b, "alto_upstream_heartbeats_total", "Heartbeats received",
	        (double)u->counts.heartbeats);
	counter(b, "alto_upstream_fetches_total", "Bodies asked for",
	        (double)u->counts.fetches);
	counter(b, "alto_upstream_published_total", "States served from it",
	        (double)u->counts.published);
	counter(b, "alto_forks_total", "Same position seen with two contents",
	        (double)u->counts.forks);
	metric(b, reopened, "counter", "Connections upstream begun again");
	for (int i = 0; i < SUB_REASONS; i++)
		labelled(b, reopened, "reason",
		         sub_reason_text((enum sub_reason)i),
		         (double)u->counts.reopened[i]);
}

static void close_metrics(struct status *st, struct buf *b)
{
	static const char name[] = "alto_disconnects_total";
	const char *reason[STATUS_REASONS];
	uint64_t count[STATUS_REASONS];
	size_t n = status_closes(st, reason, count);

	metric(b, name, "counter", "Subscriber connections closed");
	for (size_t i = 0; i < n; i++)
		labelled(b, name, "reason", reason[i], (double)count[i]);
}

static void trouble_metrics(struct status *st, struct buf *b)
{
	struct status_trouble t[STATUS_TOPICS];
	size_t n = status_troubles(st, t);

	metric(b, "alto_trouble", "gauge", "1 while there is trouble of a kind");
	for (size_t i = 0; i < n; i++)
		labelled(b, "alto_trouble", "topic", t[i].topic, 1);
}

static void counter_metrics(const struct status *st, struct buf *b)
{
	for (int i = 0; i < STATUS_COUNTERS_N; i++) {
		enum status_counter c = (enum status_counter)i;
		const char *name = status_counter_name(c);
		size_t n = strlen(name);
		bool total = n > 6 && strcmp(name + n - 6, "_total") == 0;
		char full[80];

		snprintf(full, sizeof(full), "alto_%s%s", name,
		         total ? "" : "_total");
		counter(b, full, status_counter_help(c),
		        (double)status_get(st, c));
	}
}

void report_metrics(const struct report *r, int64_t now, uint64_t mono_ms,
                    struct buf *dst)
{
	struct status_upstream u;

	metric(dst, "alto_build_info", "gauge", "1, with what is running");
	buf_printf(dst, "alto_build_info{role=\"%s\",version=\"%s\"} 1\n",
	           r->role, r->version);
	process_metrics(dst);
	gauge(dst, "alto_snapshots_alive", "Versions in memory; slow readers "
	      "keep old ones", (double)snapshots_alive());
	gauge(dst, "alto_heartbeat_seconds", "Heartbeat", r->heartbeat);
	if (r->head)
		head_metrics(r, now, dst);
	if (r->subscribers)
		subscriber_metrics(r, mono_ms, dst);
	if (status_get_upstream(r->status, &u))
		upstream_metrics(&u, dst);
	close_metrics(r->status, dst);
	trouble_metrics(r->status, dst);
	counter_metrics(r->status, dst);
}
