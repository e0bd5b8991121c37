#include "client/ctl_reload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl_table.h"

/* "+2 -1 PIDs" */
static void add_change(char *dst, size_t size, const json_t *r,
                       const char *what, const char *shown)
{
	char added[40], removed[40];
	size_t len = strlen(dst);

	snprintf(added, sizeof(added), "%s-added", what);
	snprintf(removed, sizeof(removed), "%s-removed", what);
	if (int_of(r, added) == 0 && int_of(r, removed) == 0)
		return;
	snprintf(dst + len, size - len, "%s+%" PRId64 " -%" PRId64 " %s",
	         len ? ", " : "", int_of(r, added), int_of(r, removed), shown);
}

/* Where nothing was counted: in a map that is gone, in a cost map that follows its
 * network map. */
static const char *plain_change(const json_t *r)
{
	if (!json_object_get(r, "from"))
		return "new";
	return json_object_get(r, "to") ? "changed" : "gone";
}

static void cell_change(struct table *t, const json_t *r)
{
	char s[300] = "";

	if (int_of(r, "cells-changed") > 0)
		snprintf(s, sizeof(s), "%s changed",
		         count_of(int_of(r, "cells-changed"), "cell",
		                  "cells").s);
	if (int_of(r, "entities-changed") > 0)
		snprintf(s, sizeof(s), "%s changed",
		         count_of(int_of(r, "entities-changed"), "entity",
		                  "entities").s);
	add_change(s, sizeof(s), r, "entities", "entities");
	add_change(s, sizeof(s), r, "pids", "PIDs");
	add_change(s, sizeof(s), r, "prefixes", "prefixes");
	add_change(s, sizeof(s), r, "cells", "cells");
	table_cell(t, s[0] ? s : plain_change(r));
}

static void print_changes(const json_t *a)
{
	const json_t *list = json_object_get(a, "resources"), *r;
	struct table t;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	TABLE(&t, "ID", "FROM", "TO", "CHANGE");
	json_array_foreach(list, i, r) {
		table_cell(&t, text_of(r, "id"));
		table_tag(&t, text_of(r, "from"));
		table_tag(&t, text_of(r, "to"));
		cell_change(&t, r);
	}
	table_print(&t);
}

/* What travels: a change that is no smaller than its map is fetched whole. */
static void print_traffic(const json_t *a)
{
	int64_t delta = int_of(a, "delta-bytes");
	int64_t full = int_of(a, "full-bytes"), pulls = int_of(a, "pulls");
	struct ctl_text to = count_of(int_of(a, "subscribers"), "subscriber",
	                              "subscribers");

	if (pulls > 0 && delta == 0) {
		printf("  %s fetched in full by %s\n",
		       count_of(pulls, "map is", "maps are").s, to.s);
		return;
	}
	printf("  %s of delta for %s", size_of(delta).s, to.s);
	if (pulls > 0)
		printf("; %s fetched in full", count_of(pulls, "map is",
		                                        "maps are").s);
	else if (full > 0)
		printf("; %s in full (%.2g %%)", size_of(full).s,
		       100 * (double)delta / (double)full);
	putchar('\n');
}

static void print_names(const char *before, const json_t *list)
{
	const json_t *x;
	size_t i;

	json_array_foreach(list, i, x) {
		fputs(i ? ", " : before, stdout);
		ctl_print(stdout, json_is_string(x) ? json_string_value(x) :
		                                      "?");
	}
	if (json_array_size(list) > 0)
		putchar('\n');
}

void ctl_reload(const json_t *a)
{
	const json_t *renewed = json_object_get(a, "renewed");

	if (!json_object_get(a, "resources")) {		/* a proxy */
		printf("certificates, keys and tokens were read again%s\n",
		       json_array_size(renewed) ? "" : ": nothing new");
	} else if (json_is_true(json_object_get(a, "changed"))) {
		printf("serial %" PRId64 " published in %.1f ms\n",
		       int_of(a, "serial"), number_of(a, "ms"));
		print_changes(a);
		print_traffic(a);
	} else if (json_object_get(a, "deferred")) {
		printf("read, and will be published in %" PRId64 " s "
		       "(min-interval): serial %" PRId64 " stays till then\n",
		       int_of(a, "deferred"), int_of(a, "serial"));
	} else {
		printf("nothing changed: serial %" PRId64 " stays\n",
		       int_of(a, "serial"));
	}
	print_names("  renewed: ", renewed);
	print_names("  changed in the settings, and needs a restart: ",
	            json_object_get(a, "restart"));
	ctl_list(stdout, "  warning: ", json_object_get(a, "warnings"));
}
