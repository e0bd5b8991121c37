/* The metrics: flat, a line for each. */
#include "common/service/report.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/core/vtag.h"
#include "common/net/tls.h"
#include "common/service/alto_http.h"
#include "common/service/report_sub.h"
#include "common/wire/media.h"

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

/* The value is escaped as the format wants. */
static void put_label(struct buf *b, const char *label, const char *value)
{
	buf_printf(b, "%s=\"", label);
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			buf_putc(b, '\\');
		if (*value == '\n')
			buf_puts(b, "\\n");
		else
			buf_putc(b, *value);
	}
	buf_putc(b, '"');
}

static void labelled(struct buf *b, const char *name, const char *label,
                     const char *value, double number)
{
	buf_printf(b, "%s{", name);
	put_label(b, label, value);
	buf_printf(b, "} %.15g\n", number);
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
	return strcmp(resource_name(snapshot_at(s, i))->id, DIRECTORY_ID) != 0;
}

static void entries(struct buf *b, const struct resource *r, const char *kind,
                    size_t n)
{
	/* an id has no character that would have to be escaped */
	buf_printf(b, "alto_map_entries{map=\"%s\",kind=\"%s\"} %zu\n",
	           resource_name(r)->id, kind, n);
}

static void map_entries(const struct report *rep, size_t i, struct buf *b)
{
	const struct resource *r = snapshot_at(rep->head, i);
	const struct netmap *net = resource_net(r);
	const struct costmap *cost = resource_cost(r);

	if (net) {
		entries(b, r, "pids", netmap_pids(net));
		entries(b, r, "prefixes", netmap_prefixes(net));
	} else if (cost) {
		entries(b, r, "pids", costmap_pids(cost));
		entries(b, r, "cells", costmap_cells(cost));
	} else if (rep->entities &&
	           strcmp(resource_name(r)->type, MEDIA_PROPERTY_MAP) == 0) {
		entries(b, r, "entities", rep->entities[i]);
	}
}

/* All samples of a metric have to stand together. */
static void map_metrics(const struct report *r, struct buf *b)
{
	const struct snapshot *s = r->head;
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
		map_entries(r, i, b);
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
	gauge(b, "alto_unsigned", "1: what is served is a plain server's, "
	      "which signs nothing", !snapshot_signed(r->head));
	gauge(b, "alto_state_created_timestamp_seconds",
	      "When the state that is served was signed",
	      (double)st->created);
	gauge(b, "alto_state_expires_timestamp_seconds",
	      "When the state that is served expires", (double)st->expires);
	metric(b, freshness, "gauge", "1 for what the state that is served is");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		labelled(b, freshness, "state", all[i],
		         strcmp(is, all[i]) == 0);
	map_metrics(r, b);
}

struct sub_totals {
	const struct report *r;
	uint64_t mono_ms;
	size_t by_state[SUB_IS_STATES];
	uint64_t lag_versions;
	double lag_seconds, pending;
};

static void add_subscriber(const struct push_info *i, void *arg)
{
	struct sub_totals *t = arg;
	double late = report_sub_seconds(i, t->mono_ms);
	uint64_t lag;

	t->by_state[report_sub_of(i, t->r->head)]++;
	t->pending += (double)i->pending;
	if (report_sub_versions(i, t->r->head, &lag) && lag > t->lag_versions)
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
	for (int i = 0; i < SUB_IS_STATES; i++)
		labelled(b, "alto_subscribers", "state",
		         report_sub_name((enum report_sub)i),
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

/* What the listener has open, and what it refused by itself. */
static void client_metrics(const struct alto_http *a, struct buf *b)
{
	struct http_counts c;

	alto_http_counts(a, &c);
	gauge(b, "alto_http_connections", "Connections of clients that are "
	      "open", alto_http_conns(a));
	counter(b, "alto_http_refused_connections_total",
	        "Connections over http.connections", (double)c.refused_conns);
	counter(b, "alto_http_refused_address_total", "Connections over "
	        "http.connections-per-address", (double)c.refused_address);
	counter(b, "alto_http_refused_bodies_total", "Requests put off: too "
	        "many bytes of bodies at once", (double)c.refused_bodies);
	counter(b, "alto_http_timeouts_total", "Requests begun and not "
	        "complete in time", (double)c.timeouts);
	counter(b, "alto_http_too_large_total",
	        "Requests with a body over http.request", (double)c.too_large);
	counter(b, "alto_http_malformed_total",
	        "Requests that are not HTTP/1.1", (double)c.malformed);
	counter(b, "alto_http_shed_total",
	        "Answers broken off because they held too much of what is out "
	        "of date", (double)c.shed);
}

/* Of each upstream: where it is in the struct, and what it is called. */
static const struct {
	const char *name, *help;
	size_t at;
} upstream_counts[] = {
	{ "alto_upstream_polls_total", "State documents asked for",
	  offsetof(struct status_upstream, polls) },
	{ "alto_upstream_unchanged_total", "Of these, not modified",
	  offsetof(struct status_upstream, unchanged) },
	{ "alto_upstream_probes_total",
	  "Looks at an upstream while another is in use",
	  offsetof(struct status_upstream, probes) },
	{ "alto_upstream_failures_total",
	  "Times an upstream had to be tried anew, or was left",
	  offsetof(struct status_upstream, failures) },
	{ "alto_upstream_updates_total", "Updates applied",
	  offsetof(struct status_upstream, counts.updates) },
	{ "alto_upstream_refused_total",
	  "Patches that did not fit and were fetched instead",
	  offsetof(struct status_upstream, counts.refused) },
	{ "alto_upstream_heartbeats_total", "Heartbeats received",
	  offsetof(struct status_upstream, counts.heartbeats) },
	{ "alto_upstream_fetches_total", "Bodies asked for",
	  offsetof(struct status_upstream, counts.fetches) },
	{ "alto_upstream_published_total", "States served from it",
	  offsetof(struct status_upstream, counts.published) },
	{ "alto_forks_total", "Same position seen with two contents",
	  offsetof(struct status_upstream, counts.forks) },
};

static void upstream_phases(const struct status_upstream *u, size_t n,
                            struct buf *b)
{
	static const char offset[] = "alto_clock_offset_seconds";
	static const char current[] = "alto_upstream_current";
	static const char chosen[] = "alto_upstream_chosen";
	static const char since[] =
		"alto_upstream_phase_since_timestamp_seconds";
	size_t i;

	metric(b, offset, "gauge", "The upstream's clock less our own");
	for (i = 0; i < n; i++)
		if (u[i].timed)
			labelled(b, offset, "upstream", u[i].directory,
			         (double)u[i].clock_ms / 1000);
	metric(b, chosen, "gauge", "1: it is the upstream in use");
	for (i = 0; i < n; i++)
		labelled(b, chosen, "upstream", u[i].directory, !u[i].spare);
	metric(b, current, "gauge",
	       "1: what is served is the upstream's newest");
	for (i = 0; i < n; i++)
		labelled(b, current, "upstream", u[i].directory,
		         strcmp(u[i].phase, "current") == 0);
	metric(b, since, "gauge", "When it last changed its phase");
	for (i = 0; i < n; i++)
		labelled(b, since, "upstream", u[i].directory,
		         (double)u[i].since);
}

static void upstream_reopened(const struct status_upstream *u, size_t n,
                              struct buf *b)
{
	static const char name[] = "alto_reopened_total";

	metric(b, name, "counter", "Connections upstream begun again");
	for (size_t i = 0; i < n; i++) {
		for (int k = 0; k < SUB_REASONS; k++) {
			buf_printf(b, "%s{", name);
			put_label(b, "upstream", u[i].directory);
			buf_putc(b, ',');
			put_label(b, "reason",
			          sub_reason_text((enum sub_reason)k));
			buf_printf(b, "} %.15g\n",
			           (double)u[i].counts.reopened[k]);
		}
	}
}

static void upstream_metrics(struct status *st, struct buf *b)
{
	struct status_upstream u[STATUS_UPSTREAMS];
	size_t n = status_get_upstreams(st, u);
	uint64_t count;

	if (n == 0)
		return;
	upstream_phases(u, n, b);
	for (size_t k = 0; k < sizeof(upstream_counts) /
	     sizeof(upstream_counts[0]); k++) {
		metric(b, upstream_counts[k].name, "counter",
		       upstream_counts[k].help);
		for (size_t i = 0; i < n; i++) {
			memcpy(&count, (const char *)&u[i] +
			       upstream_counts[k].at, sizeof(count));
			labelled(b, upstream_counts[k].name, "upstream",
			         u[i].directory, (double)count);
		}
	}
	upstream_reopened(u, n, b);
}

/* Which key signs, and which will: an alarm can be set on a change. */
static void key_metrics(const struct report *r, struct buf *b)
{
	static const char info[] = "alto_key_info";
	static const char from[] = "alto_next_key_from_timestamp_seconds";
	struct status_next_key k;

	status_get_next_key(r->status, &k);
	metric(b, info, "gauge", "1, with the thumbprint of a key");
	if (r->head && snapshot_state(r->head)->key[0])
		buf_printf(b, "%s{role=\"current\",thumbprint=\"%s\"} 1\n",
		           info, snapshot_state(r->head)->key);
	if (!k.id[0])
		return;
	buf_printf(b, "%s{role=\"next\",thumbprint=\"%s\"} 1\n", info, k.id);
	gauge(b, from, "When the next key may sign", (double)k.from);
}

static void certificate_metrics(const struct report *r, struct buf *b)
{
	static const char name[] = "alto_cert_expiry_timestamp_seconds";

	metric(b, name, "gauge", "When the certificate of a listener expires");
	if (r->http_tls)
		labelled(b, name, "listener", "http",
		         (double)tls_identity_expires(r->http_tls));
	if (r->push_tls)
		labelled(b, name, "listener", "push",
		         (double)tls_identity_expires(r->push_tls));
}

static void refusal_metrics(struct status *st, struct buf *b)
{
	static const char name[] = "alto_subscribers_refused_total";
	const char *reason[STATUS_REASONS];
	uint64_t count[STATUS_REASONS];
	size_t n = status_refusals(st, reason, count);

	metric(b, name, "counter", "Subscribers turned away before they were "
	       "connected");
	for (size_t i = 0; i < n; i++)
		labelled(b, name, "reason", reason[i], (double)count[i]);
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

	metric(b, "alto_trouble", "gauge",
	       "1 while there is trouble of a kind");
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
	if (r->clients)
		client_metrics(r->clients, dst);
	upstream_metrics(r->status, dst);
	key_metrics(r, dst);
	certificate_metrics(r, dst);
	refusal_metrics(r->status, dst);
	close_metrics(r->status, dst);
	trouble_metrics(r->status, dst);
	counter_metrics(r->status, dst);
}
