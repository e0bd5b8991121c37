#include "client/ctl_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/ctl_table.h"
#include "common/wire/media.h"

static void line(const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	printf("  %-9s ", name);
	ctl_print(stdout, text);
	putchar('\n');
}

/* The key that is to sign next, and what waits to be published. */
static void print_plans(const json_t *a)
{
	int64_t left = int_of(a, "next-key-from") - (int64_t)time(NULL);
	const json_t *later = json_object_get(a, "deferred");
	char text[200];

	if (json_object_get(a, "next-key")) {
		snprintf(text, sizeof(text), "%s, may sign %s%s",
		         text_of(a, "next-key"), left > 0 ? "in " : "now",
		         left > 0 ? span_of((double)left).s : "");
		line("next key", text);
	}
	if (later) {
		snprintf(text, sizeof(text), "%s to be published in %" PRId64
		         " s", count_of(int_of(later, "reloads"), "reload",
		                        "reloads").s, int_of(later, "seconds"));
		line("waiting", text);
	}
}

static void print_head(const json_t *a)
{
	int64_t left = int_of(a, "expires") - (int64_t)time(NULL);
	bool plain = json_is_true(json_object_get(a, "unsigned"));
	char text[200];

	printf("alto-");
	ctl_print(stdout, text_of(a, "role"));
	putchar(' ');
	ctl_print(stdout, text_of(a, "version"));
	if (!json_object_get(a, "serial")) {
		puts(": serves nothing yet");
		return;
	}
	printf(plain ? ": unsigned, " : ": ");
	ctl_print(stdout, text_of(a, "freshness"));
	printf(", %s %s ago, ", plain ? "fetched" : "signed",
	       span_of(number_of(a, "age")).s);
	if (left > 0)
		printf("valid for %s\n", span_of((double)left).s);
	else
		printf("not valid since %s\n", span_of((double)-left).s);
	snprintf(text, sizeof(text), "%" PRId64 ", maps changed at %" PRId64,
	         int_of(a, "serial"), int_of(a, "map-serial"));
	line("serial", text);
	line("session", text_of(a, "session"));
	line("service", text_of(a, "service"));
	line("key", text_of(a, "key"));
	print_plans(a);
}

static void print_places(const json_t *a)
{
	const json_t *l = json_object_get(a, "listeners");
	const json_t *log = json_object_get(a, "log");
	char text[300];

	line("http", text_of(l, "http"));
	line("push", text_of(l, "push"));
	line("admin", text_of(l, "admin"));
	if (log) {
		snprintf(text, sizeof(text), "%s, %s, resumes from serial %"
		         PRId64, count_of(int_of(log, "updates"), "update",
		                          "updates").s,
		         size_of(int_of(log, "bytes")).s,
		         int_of(log, "oldest"));
		line("log", text);
	}
}

/* What is of no kind known here is shown by its media type. */
static const char *kind_of(const json_t *r)
{
	static const char *const kinds[][2] = {
		{ MEDIA_NETWORK_MAP, "network" },
		{ MEDIA_COST_MAP, "cost" },
		{ MEDIA_PROPERTY_MAP, "property" },
		{ MEDIA_DIRECTORY, "directory" },
	};
	const char *media = text_of(r, "media-type");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(media, kinds[i][0]) == 0)
			return kinds[i][1];
	return media;
}

static void cell_content(struct table *t, const json_t *r)
{
	bool net = json_object_get(r, "prefixes") != NULL;
	bool over = json_is_true(json_object_get(r, "overridden"));
	char s[300];

	if (json_object_get(r, "entities")) {
		snprintf(s, sizeof(s), "%s%s",
		         count_of(int_of(r, "entities"), "entity",
		                  "entities").s, over ? ", overridden" : "");
		table_cell(t, s);
		return;
	}
	if (!json_object_get(r, "pids")) {
		table_cell(t, over ? "overridden" : "");
		return;
	}
	snprintf(s, sizeof(s), "%s, %s%s",
	         count_of(int_of(r, "pids"), "PID", "PIDs").s,
	         net ? count_of(int_of(r, "prefixes"), "prefix", "prefixes").s
	             : count_of(int_of(r, "cells"), "cell", "cells").s,
	         over ? ", overridden" : "");
	table_cell(t, s);
}

static void print_resources(const json_t *a)
{
	const json_t *list = json_object_get(a, "resources"), *r;
	struct table t;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	puts("\nresources");
	TABLE(&t, "ID", "KIND", "TAG", ">SERIAL", ">AGE", ">SIZE", "CONTENT");
	json_array_foreach(list, i, r) {
		const json_t *changed = json_object_get(r, "changed");

		table_cell(&t, text_of(r, "id"));
		table_cell(&t, kind_of(r));
		table_tag(&t, text_of(r, "tag"));
		table_number(&t, int_of(r, "serial"));
		table_cell(&t, json_is_integer(changed)
		           ? since(json_integer_value(changed)).s : "");
		table_cell(&t, size_of(int_of(r, "size")).s);
		cell_content(&t, r);
	}
	table_print(&t);
}

static void cell_lag(struct table *t, const json_t *s)
{
	const json_t *versions = json_object_get(s, "lag-versions");
	double seconds = number_of(s, "lag-seconds");
	char text[120] = "";

	if (strcmp(text_of(s, "state"), "current") == 0) {
		table_cell(t, "");
		return;
	}
	if (versions)
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT " in %s",
		         json_integer_value(versions), span_of(seconds).s);
	else if (json_object_get(s, "lag-seconds"))
		snprintf(text, sizeof(text), "%s", span_of(seconds).s);
	table_cell(t, text);
}

static void cell_serial(struct table *t, const json_t *o, const char *name)
{
	const json_t *n = json_object_get(o, name);

	if (n)
		table_number(t, json_integer_value(n));
	else
		table_cell(t, "");
}

/* Those that subscribe to a subscriber, as it told. */
static void rows_below(struct table *t, const json_t *s)
{
	const json_t *list = json_object_get(s, "below"), *b;
	char name[80];
	size_t i;

	json_array_foreach(list, i, b) {
		snprintf(name, sizeof(name), "  %s", text_of(b, "name"));
		table_cell(t, name);
		table_cell(t, text_of(b, "uri"));
		table_cell(t, "below");
		table_cell(t, "");
		cell_serial(t, b, "serial");
		for (size_t c = 5; c < t->columns; c++)
			table_cell(t, "");
	}
}

static void print_subscribers(const json_t *a)
{
	const json_t *list = json_object_get(a, "subscribers"), *s;
	struct table t;
	size_t i;

	if (!list)
		return;
	if (json_array_size(list) == 0) {
		puts("\nno subscribers");
		return;
	}
	puts("\nsubscribers");
	TABLE(&t, "NAME", "ADDRESS", "STATE", ">SENT", ">ACKED", ">BEHIND",
	      ">UP", ">UPDATES", ">SNAPSHOTS", ">BYTES", ">PENDING");
	json_array_foreach(list, i, s) {
		table_cell(&t, text_of(s, "name"));
		table_cell(&t, text_of(s, "address"));
		table_cell(&t, text_of(s, "state"));
		cell_serial(&t, s, "serial-sent");
		cell_serial(&t, s, "serial-acked");
		cell_lag(&t, s);
		table_cell(&t, span_of(number_of(s, "connected-seconds")).s);
		table_number(&t, int_of(s, "updates"));
		table_number(&t, int_of(s, "snapshots"));
		table_cell(&t, size_of(int_of(s, "bytes")).s);
		table_cell(&t, size_of(int_of(s, "pending")).s);
		rows_below(&t, s);
	}
	table_print(&t);
}

static void rows_unlisted(struct table *t, const json_t *list)
{
	const json_t *s;
	size_t i;

	json_array_foreach(list, i, s) {
		const char *why = text_of(s, "unlisted");

		if (why[0]) {
			table_cell(t, text_of(s, "name"));
			table_cell(t, text_of(s, "uri"));
			table_cell(t, why);
		}
		rows_unlisted(t, json_object_get(s, "below"));
	}
}

/* Of a server's subscribers, those that its directory does not name, and why. */
static void print_unlisted(const json_t *a)
{
	struct table t;

	TABLE(&t, "NAME", "URI", "WHY");
	rows_unlisted(&t, json_object_get(a, "subscribers"));
	if (t.n == t.columns) {
		table_end(&t);
		return;
	}
	puts("\nnot in the list of proxies");
	table_print(&t);
}

static void print_pollers(const json_t *a)
{
	const json_t *list = json_object_get(a, "pollers"), *x;
	struct table t;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	puts("\nasked for the state within 5 minutes");
	TABLE(&t, "ADDRESS", "PROGRAM", ">LAST", ">ASKED");
	json_array_foreach(list, i, x) {
		table_cell(&t, text_of(x, "address"));
		table_cell(&t, text_of(x, "program"));
		table_cell(&t, since(int_of(x, "last")).s);
		table_number(&t, int_of(x, "polls"));
	}
	table_print(&t);
}

static void cell_reopened(struct table *t, const json_t *u)
{
	json_t *all = json_object_get(u, "reopened"), *n;
	const char *reason;
	char text[300] = "";
	size_t len = 0;

	json_object_foreach(all, reason, n) {
		int more = snprintf(text + len, sizeof(text) - len, "%s%s %"
			JSON_INTEGER_FORMAT, len ? ", " : "", reason,
			json_integer_value(n));

		if (more < 0 || (size_t)more >= sizeof(text) - len)
			break;
		len += (size_t)more;
	}
	table_cell(t, text);
}

static void print_trouble(const char *of, int64_t begun, const char *text)
{
	printf("  ");
	ctl_print(stdout, of);
	printf(", for %s: ", since(begun).s);
	ctl_print(stdout, text);
	putchar('\n');
}

static void print_upstreams(const json_t *a)
{
	const json_t *list = json_object_get(a, "upstreams"), *u;
	struct table t;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	puts("\nupstream");
	TABLE(&t, "DIRECTORY", "MODE", "PHASE", ">SINCE", ">UPDATES",
	      ">HEARTBEATS", ">FETCHES", "REOPENED");
	json_array_foreach(list, i, u) {
		table_cell(&t, text_of(u, "directory"));
		table_cell(&t, json_is_true(json_object_get(u, "unsigned")) ?
		           "unsigned" : text_of(u, "mode"));
		table_cell(&t, text_of(u, "phase"));
		table_cell(&t, since(int_of(u, "since")).s);
		table_number(&t, int_of(u, "updates"));
		table_number(&t, int_of(u, "heartbeats"));
		table_number(&t, int_of(u, "fetches"));
		cell_reopened(&t, u);
	}
	table_print(&t);
	json_array_foreach(list, i, u)
		if (text_of(u, "trouble")[0])
			print_trouble(text_of(u, "directory"),
			              int_of(u, "trouble-since"),
			              text_of(u, "trouble"));
}

static void print_troubles(const json_t *a)
{
	const json_t *list = json_object_get(a, "troubles"), *x;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	puts("\ntrouble");
	json_array_foreach(list, i, x)
		print_trouble(text_of(x, "topic"), int_of(x, "since"),
		              text_of(x, "text"));
}

void ctl_status(const json_t *a)
{
	print_head(a);
	print_places(a);
	print_resources(a);
	print_upstreams(a);
	print_subscribers(a);
	print_unlisted(a);
	print_pollers(a);
	print_troubles(a);
}
