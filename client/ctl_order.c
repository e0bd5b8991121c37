#include "client/ctl_order.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/ctl_table.h"

/* "2026-05-01 12:00:00 UTC" */
static struct ctl_text time_of(int64_t when)
{
	struct ctl_text t = { "" };
	time_t at = (time_t)when;
	struct tm tm;

	if (when > 0 && gmtime_r(&at, &tm))
		strftime(t.s, sizeof(t.s), "%Y-%m-%d %H:%M:%S UTC", &tm);
	return t;
}

static void print_text(const char *before, const json_t *o, const char *name,
                       const char *after)
{
	fputs(before, stdout);
	ctl_print(stdout, text_of(o, name));
	fputs(after, stdout);
}

static void print_position(const char *before, const json_t *a,
                           const char *name)
{
	const json_t *at = json_object_get(a, name);

	printf("%sserial %" PRId64 " of session ", before,
	       int_of(at, "serial"));
	ctl_print(stdout, text_of(at, "session"));
}

static void print_move(const json_t *a)
{
	print_position("  from ", a, "from");
	print_position("\n    to ", a, "to");
	putchar('\n');
}

/* ---- keys ------------------------------------------------------------------ */

void ctl_key_list(const json_t *a)
{
	const json_t *list = json_object_get(a, "keys"), *k;
	struct table t;
	size_t i;

	TABLE(&t, "KEY", "ROLE", "SINCE", "MAY SIGN FROM");
	json_array_foreach(list, i, k) {
		table_cell(&t, text_of(k, "key"));
		table_cell(&t, text_of(k, "role"));
		table_cell(&t, time_of(int_of(k, "since")).s);
		table_cell(&t, time_of(int_of(k, "from")).s);
	}
	table_print(&t);
	if (text_of(a, "trouble")[0])
		print_text("  trouble: ", a, "trouble", "\n");
}

void ctl_key_next(const json_t *a)
{
	print_text("next key ", a, "key", "");
	printf(", announced at serial %" PRId64 "\n",
	       int_of(json_object_get(a, "to"), "serial"));
	printf("  it may sign from %s: say \"altoctl key retire\" then, or any "
	       "time later\n"
	       "  proxies that pin keys need it as a second pin by then; back up "
	       "its file\n", time_of(int_of(a, "from")).s);
}

void ctl_key_retire(const json_t *a)
{
	bool bad = json_object_get(a, "compromised") != NULL;

	print_text("key ", a, "key", " signs now\n");
	print_text("  ", a, bad ? "compromised" : "retired", bad ?
	           " is dropped: what it signed proves nothing any more\n" :
	           " is retired\n");
	print_move(a);
	if (int_of(a, "again"))
		printf("  another session begins by itself at %s, and one a "
		       "minute later: above what a thief can have dated "
		       "ahead\n", time_of(int_of(a, "again")).s);
	puts(bad ? "  proxies that did not know the key ask this server's "
	     "directory for it; those that pin keys need the new pin\n"
	     "  say \"altoctl trust\" at a proxy that holds a forged state\n"
	     "  the old private key is gone from here: remove it from backups, "
	     "and back up the new one" :
	     "  the old private key is gone from here: back up the new one\n"
	     "  the next change: altoctl key next");
}

/* ---- positions ------------------------------------------------------------- */

void ctl_session_new(const json_t *a)
{
	puts("a new session was begun");
	print_move(a);
	puts("  every proxy compares all maps and fetches what differs");
}

void ctl_moved(const json_t *a)
{
	if (!json_is_true(json_object_get(a, "changed"))) {
		print_position("nothing changed: ", a, "to");
		putchar('\n');
		return;
	}
	puts("moved");
	print_move(a);
}

/* ---- the rest -------------------------------------------------------------- */

void ctl_backup(const json_t *a)
{
	print_text("", a, "path", "");
	printf(": %s\n  keys are not in it: they are files of their own\n",
	       size_of(int_of(a, "bytes")).s);
}

void ctl_drain(const json_t *a)
{
	int64_t over = int_of(a, "over");

	printf("%s leave%s within %s, then the daemon ends\n",
	       count_of(int_of(a, "subscribers"), "subscriber",
	                "subscribers").s,
	       int_of(a, "subscribers") == 1 ? "s" : "",
	       span_of((double)over).s);
}
