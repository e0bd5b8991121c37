#include "client/ctl_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAG_SHORT 12

/* Without control characters, C0 and C1, and on one line; in place. */
static char *tame(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p != '\0'; p++) {
		if (*p == '\n') {
			*p = p[1] ? ';' : ' ';
		} else if (*p < ' ' || *p == 0x7f) {
			*p = '?';
		} else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			*p++ = '?';
			*p = '?';
		}
	}
	return s;
}

/* Printed anew, so it may be longer than a cell. */
void ctl_print(FILE *to, const char *text)
{
	char *copy = strdup(text);

	fputs(copy ? tame(copy) : "(out of memory)", to);
	free(copy);
}

void ctl_list(FILE *to, const char *prefix, const json_t *list)
{
	const json_t *x;
	size_t i;

	json_array_foreach(list, i, x) {
		char *other = json_is_string(x) ? NULL
			: json_dumps(x, JSON_COMPACT | JSON_ENCODE_ANY);

		fputs(prefix, to);
		ctl_print(to, json_is_string(x) ? json_string_value(x)
						: other ? other : "");
		fputc('\n', to);
		free(other);
	}
}

const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

int64_t int_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

double number_of(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

struct ctl_text span_of(double seconds)
{
	struct ctl_text t;
	long long s = seconds > 0 ? (long long)seconds : 0;

	if (s < 60)
		snprintf(t.s, sizeof(t.s), "%llds", s);
	else if (s < 3600)
		snprintf(t.s, sizeof(t.s), "%lldm", s / 60);
	else if (s < 2 * 86400)
		snprintf(t.s, sizeof(t.s), "%lldh", s / 3600);
	else
		snprintf(t.s, sizeof(t.s), "%lldd", s / 86400);
	return t;
}

struct ctl_text since(int64_t when)
{
	return span_of((double)((int64_t)time(NULL) - when));
}

struct ctl_text size_of(int64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes / 1024;
	struct ctl_text t;
	size_t u = 0;

	if (bytes < 1024) {
		snprintf(t.s, sizeof(t.s), "%" PRId64 " B", bytes);
		return t;
	}
	for (; n >= 1023.95 && u < 3; u++)
		n /= 1024;
	snprintf(t.s, sizeof(t.s), "%.1f %s", n, units[u]);
	return t;
}

struct ctl_text count_of(int64_t n, const char *one, const char *many)
{
	struct ctl_text t;

	snprintf(t.s, sizeof(t.s), "%" PRId64 " %s", n, n == 1 ? one : many);
	return t;
}

void table_end(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cell[i]);
	free(t->cell);
}

/* Room for one more cell; sets failed. */
static void make_room(struct table *t)
{
	size_t room = t->room ? t->room * 2 : 64;
	char **more;

	if (t->n < t->room)
		return;
	more = realloc(t->cell, room * sizeof(*more));
	t->failed = !more;
	if (more) {
		t->cell = more;
		t->room = room;
	}
}

void table_cell(struct table *t, const char *text)
{
	char *copy;

	if (!t->failed)
		make_room(t);
	if (t->failed)
		return;
	copy = strdup(text[0] ? text : "-");
	t->failed = !copy;
	if (copy)
		t->cell[t->n++] = tame(copy);
}

void table_number(struct table *t, int64_t n)
{
	char s[32];

	snprintf(s, sizeof(s), "%" PRId64, n);
	table_cell(t, s);
}

void table_tag(struct table *t, const char *tag)
{
	char s[TAG_SHORT + 1];

	snprintf(s, sizeof(s), "%s", tag);
	table_cell(t, s);
}

void table_begin(struct table *t, const char *const *titles, size_t n)
{
	memset(t, 0, sizeof(*t));
	t->columns = n;
	for (size_t i = 0; i < n; i++) {
		t->right[i] = titles[i][0] == '>';
		table_cell(t, titles[i] + t->right[i]);
	}
}

static void print_row(const struct table *t, size_t row, const int *width)
{
	for (size_t c = 0; c < t->columns; c++) {
		const char *s = t->cell[row * t->columns + c];

		if (c + 1 == t->columns && !t->right[c])
			printf("  %s", s);
		else
			printf("  %*s", t->right[c] ? width[c] : -width[c], s);
	}
	putchar('\n');
}

void table_print(struct table *t)
{
	int width[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < t->n; i++)
		if ((int)strlen(t->cell[i]) > width[i % t->columns])
			width[i % t->columns] = (int)strlen(t->cell[i]);
	if (t->failed)
		puts("  (out of memory)");
	for (size_t row = 0; !t->failed && row < t->n / t->columns; row++)
		print_row(t, row, width);
	table_end(t);
}
