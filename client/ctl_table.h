/* ctl_table.h - values as people read them, and tables of them.
 *
 * Names and texts in an answer may come from other machines: what is printed
 * through here reaches a terminal without its control characters.
 */
#ifndef ALTOCAST_CLIENT_CTL_TABLE_H
#define ALTOCAST_CLIENT_CTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Members of an object; "" and 0 when they are not there. */
const char *text_of(const json_t *o, const char *name);
int64_t int_of(const json_t *o, const char *name);
double number_of(const json_t *o, const char *name);

void ctl_print(FILE *to, const char *text);

/* A line for each: texts as they are, anything else as JSON. */
void ctl_list(FILE *to, const char *prefix, const json_t *list);

struct ctl_text {
	char s[96];
};

struct ctl_text span_of(double seconds);		/* "12m" */
struct ctl_text since(int64_t when);			/* from Unix seconds */
struct ctl_text size_of(int64_t bytes);			/* "1.5 MiB" */
struct ctl_text count_of(int64_t n, const char *one, const char *many);

#define COLUMNS_MAX 12

struct table {
	size_t columns, n, room;	/* n, room: cells */
	char **cell;
	bool right[COLUMNS_MAX];
	bool failed;			/* out of memory: not printed */
};

/* titles: one word each, those that begin with ">" stand to the right. */
void table_begin(struct table *t, const char *const *titles, size_t n);
void table_print(struct table *t);			/* and frees it */
void table_end(struct table *t);			/* frees it unprinted */

#define TABLE(t, ...) do { \
	static const char *const titles[] = { __VA_ARGS__ }; \
	table_begin(t, titles, sizeof(titles) / sizeof(titles[0])); \
} while (0)

/* The next cell, row by row; "" shows as "-". */
void table_cell(struct table *t, const char *text);
void table_number(struct table *t, int64_t n);
void table_tag(struct table *t, const char *tag);	/* its first digits */

#endif
