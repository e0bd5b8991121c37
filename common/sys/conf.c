/* Over 600 lines: one table is read, checked, asked and printed here, and all
 * four must agree about what a row means. Order: texts to values, file to
 * values, questions, printing. */
#include "common/sys/conf.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys/file.h"

#define FILE_MAX	((size_t)1 << 20)
#define LIST_MAX	10000	/* elements, when the row says nothing */
#define NAME_MAX_SHOWN	160

struct value {
	char *text;		/* STRING, PATH, LISTEN, URI */
	int64_t num;		/* BOOL, INT, SIZE, SECONDS */
	char **items;		/* STRINGS, PATHS, URIS */
	struct value **elems;	/* LIST: each has a value for every row */
	size_t n;		/* of items or elems */
	size_t line;		/* of the setting, else of its group */
	bool seen;		/* the file says something, good or bad */
	bool set;		/* by the file, and good */
};

struct conf {
	const struct conf_table *table;
	char *path;
	char *dir;
	struct value *vals;	/* in the order of the table */
	size_t wrapped[32];	/* lines with numbers libconfig misreads */
	size_t n_wrapped;
};

/* --- values from text ---------------------------------------------------- */

static bool parse_number(const char *s, const char *units,
			 const int64_t *factors, int64_t *out)
{
	const char *unit;
	char *end;
	long long n;

	if (s[0] < '0' || s[0] > '9')
		return false;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return false;
		if (__builtin_mul_overflow(n, factors[unit - units], &n))
			return false;
	}
	*out = n;
	return true;
}

static bool parse_size(const char *s, int64_t *out)
{
	static const int64_t factors[] = {
		INT64_C(1) << 10, INT64_C(1) << 20, INT64_C(1) << 30
	};

	return parse_number(s, "KMG", factors, out);
}

static bool parse_seconds(const char *s, int64_t *out)
{
	static const int64_t factors[] = { 1, 60, 3600, 86400 };

	return parse_number(s, "smhd", factors, out);
}

static bool parse_port(const char *s, uint16_t *out)
{
	unsigned long n = 0;
	size_t len = strspn(s, "0123456789");

	if (len == 0 || len > 5 || s[len])
		return false;
	n = strtoul(s, NULL, 10);
	if (n > UINT16_MAX)
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool listen_v6(const char *host, struct conf_listen *l)
{
	struct sockaddr_in6 *a = (struct sockaddr_in6 *)&l->addr;

	if (inet_pton(AF_INET6, host, &a->sin6_addr) != 1)
		return false;
	a->sin6_family = AF_INET6;
	a->sin6_port = htons(l->port);
	l->len = sizeof(*a);
	l->wildcard = IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr);
	l->loopback = IN6_IS_ADDR_LOOPBACK(&a->sin6_addr);
	return true;
}

static bool listen_v4(const char *host, struct conf_listen *l)
{
	struct sockaddr_in *a = (struct sockaddr_in *)&l->addr;

	if (inet_pton(AF_INET, host, &a->sin_addr) != 1)
		return false;
	a->sin_family = AF_INET;
	a->sin_port = htons(l->port);
	l->len = sizeof(*a);
	l->wildcard = a->sin_addr.s_addr == htonl(INADDR_ANY);
	l->loopback = ntohl(a->sin_addr.s_addr) >> 24 == 127;
	return true;
}

enum rc conf_listen_parse(const char *text, struct conf_listen *out)
{
	struct conf_listen l = { .len = 0 };
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool v6 = text[0] == '[';

	if (!n || n >= sizeof(host) || !parse_port(colon + 1, &l.port))
		return RC_ERULE;
	if (v6 && (n < 3 || text[n - 1] != ']'))
		return RC_ERULE;
	memcpy(host, text + v6, n - 2 * v6);
	host[n - 2 * v6] = '\0';
	if (!(v6 ? listen_v6(host, &l) : listen_v4(host, &l)))
		return RC_ERULE;
	*out = l;
	return RC_OK;
}

/* Authority: host or [v6], and an optional port. No user part: secrets do not
 * belong into addresses. */
static bool is_authority(const char *s, size_t len)
{
	static const char host_chars[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	char port[8];
	size_t host;
	uint16_t n;

	if (len && s[0] == '[') {
		host = strcspn(s, "]");
		if (host >= len || host < 3 ||
		    strspn(s + 1, "0123456789abcdefABCDEF:.") != host - 1)
			return false;
		host++;
	} else {
		host = strspn(s, host_chars);
	}
	if (host == 0 || host > len)
		return false;
	if (host == len)
		return true;
	len -= host + 1;
	if (s[host] != ':' || len == 0 || len >= sizeof(port))
		return false;
	memcpy(port, s + host + 1, len);
	port[len] = '\0';
	return parse_port(port, &n);
}

static bool is_uri(const char *s)
{
	static const char *const schemes[] = {
		"https://", "http://", "wss://", "ws://"
	};

	for (const char *p = s; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}#", *p))
			return false;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);

		if (strncmp(s, schemes[i], n) == 0)
			return is_authority(s + n, strcspn(s + n, "/?"));
	}
	return false;
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* --- rows ---------------------------------------------------------------- */

static const char *type_wants(enum conf_type type)
{
	switch (type) {
	case CONF_STRING:
		return "a text: \"...\"";
	case CONF_PATH:
		return "a path: \"...\"";
	case CONF_BOOL:
		return "true or false";
	case CONF_INT:
		return "a whole number";
	case CONF_SIZE:
		return "bytes: a whole number, or a text with the unit K, M "
		       "or G: \"64M\"";
	case CONF_SECONDS:
		return "seconds: a whole number, or a text with the unit s, "
		       "m, h or d: \"10m\"";
	case CONF_LISTEN:
		return "\"address:port\" or \"[IPv6 address]:port\", without "
		       "host names; 0.0.0.0 or [::] means all addresses";
	case CONF_URI:
		return "an http, https, ws or wss URI: "
		       "\"https://host[:port]/path\"";
	case CONF_STRINGS:
		return "a text or an array of texts: [\"...\", \"...\"]";
	case CONF_PATHS:
		return "a path or an array of paths: [\"...\", \"...\"]";
	case CONF_URIS:
		return "a URI or an array of URIs: "
		       "[\"https://host[:port]/path\", ...]";
	case CONF_LIST:
		return "a list of groups: ( { ... }, { ... } )";
	}
	return "";
}

static bool is_many(enum conf_type t)
{
	return t == CONF_STRINGS || t == CONF_PATHS || t == CONF_URIS;
}

static bool is_number(enum conf_type t)
{
	return t == CONF_INT || t == CONF_SIZE || t == CONF_SECONDS;
}

static enum conf_type item_type(enum conf_type t)
{
	switch (t) {
	case CONF_STRINGS:
		return CONF_STRING;
	case CONF_PATHS:
		return CONF_PATH;
	case CONF_URIS:
		return CONF_URI;
	default:
		return t;
	}
}

static void full_name(const char *group, const char *name, char *dst,
		      size_t size)
{
	int n = snprintf(dst, size, "%s%s%s", group, *group ? "." : "", name);

	/* Names of tables and of the program only, never of a file. */
	if (n < 0 || (size_t)n >= size)
		abort();
}

/* "maps" is at, or above, "maps" and "maps.tls"; "" is above everything. */
static bool is_under(const char *path, const char *top)
{
	size_t n = strlen(top);

	return n == 0 || (strncmp(path, top, n) == 0 &&
			  (path[n] == '\0' || path[n] == '.'));
}

/* The list whose elements a row describes, or NULL. */
static const struct conf_key *list_of(const struct conf_table *t,
				      const struct conf_key *key)
{
	char name[NAME_MAX_SHOWN];

	for (size_t i = 0; i < t->n; i++) {
		if (t->keys[i].type != CONF_LIST)
			continue;
		full_name(t->keys[i].group, t->keys[i].name, name,
			  sizeof(name));
		if (*key->group && is_under(key->group, name))
			return &t->keys[i];
	}
	return NULL;
}

static const struct conf_key *find_row(const struct conf_table *t,
				       const char *group, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->keys[i].group, group) == 0 &&
		    strcmp(t->keys[i].name, name) == 0)
			return &t->keys[i];
	return NULL;
}

/* Some row lives in that group or below it. */
static bool is_group(const struct conf_table *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (is_under(t->keys[i].group, path))
			return true;
	return false;
}

/* The name of the group below `group` through which row i is reached; false
 * when the row is not below it. */
static bool child_group(const struct conf_table *t, size_t i,
			const char *group, char *dst, size_t size)
{
	const char *path = t->keys[i].group;
	size_t n = strlen(group);

	if (!is_under(path, group) || path[n] == '\0')
		return false;
	path += n ? n + 1 : 0;
	snprintf(dst, size, "%.*s", (int)strcspn(path, "."), path);
	return true;
}

/* --- errors -------------------------------------------------------------- */

/* Where the reader stands: `group` as in the table, `shown` as people know it
 * ("maps[1]"). */
struct place {
	struct conf *c;
	struct buf *errors;
	struct value *vals;
	char group[NAME_MAX_SHOWN];
	char shown[NAME_MAX_SHOWN];
	bool *no_memory;
};

static void blame_head(const struct conf *c, struct buf *errors, size_t line,
		       const char *shown, const char *name)
{
	buf_puts(errors, c->path);
	if (line)
		buf_printf(errors, ":%zu", line);
	buf_puts(errors, ": ");
	if (*shown || *name)
		buf_printf(errors, "%s%s%s: ", shown,
			   *shown && *name ? "." : "", name);
}

static void blame_va(const struct conf *c, struct buf *errors, size_t line,
		     const char *shown, const char *name, const char *fmt,
		     va_list ap) __attribute__((format(printf, 6, 0)));

static void blame_va(const struct conf *c, struct buf *errors, size_t line,
		     const char *shown, const char *name, const char *fmt,
		     va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	blame_head(c, errors, line, shown, name);
	buf_puts(errors, text);
	buf_putc(errors, '\n');
}

static void blame(const struct place *p, size_t line, const char *name,
		  const char *fmt, ...) PRINTF_LIKE(4, 5);

static void blame(const struct place *p, size_t line, const char *name,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	blame_va(p->c, p->errors, line, p->shown, name, fmt, ap);
	va_end(ap);
}

static size_t min3(size_t a, size_t b, size_t c)
{
	return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* Edit distance of two names; long ones are not near anything. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], la = strlen(a), lb = strlen(b);

	if (la >= 64 || lb >= 64)
		return SIZE_MAX;
	for (size_t k = 0; k <= lb; k++)
		row[k] = k;
	for (size_t i = 1; i <= la; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t k = 1; k <= lb; k++) {
			size_t up = row[k];

			row[k] = min3(up + 1, row[k - 1] + 1,
				      diag + (a[i - 1] != b[k - 1]));
			diag = up;
		}
	}
	return row[lb];
}

/* Names that may stand in the group: those of rows, then those of groups. */
static const char *name_here(const struct conf_table *t, size_t i,
			     const char *group, char *dst, size_t size)
{
	if (strcmp(t->keys[i].group, group) == 0)
		return t->keys[i].name;
	return child_group(t, i, group, dst, size) ? dst : NULL;
}

static bool nearest(const struct conf_table *t, const char *group,
		    const char *name, char *dst, size_t size)
{
	size_t best = strlen(name) / 3 + 2;	/* further off is no guess */
	char tmp[NAME_MAX_SHOWN];
	bool found = false;

	for (size_t i = 0; i < t->n; i++) {
		const char *s = name_here(t, i, group, tmp, sizeof(tmp));
		size_t far = s ? distance(s, name) : SIZE_MAX;

		if (far >= best || far >= strlen(name))
			continue;
		best = far;
		found = true;
		snprintf(dst, size, "%s", s);
	}
	return found;
}

static void blame_unknown(const struct place *p, size_t line, const char *name)
{
	const struct conf_table *t = p->c->table;
	char near[NAME_MAX_SHOWN];

	if (nearest(t, p->group, name, near, sizeof(near))) {
		blame(p, line, name, "unknown setting; the nearest known is "
		      "\"%s\"", near);
		return;
	}
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->keys[i].name, name) != 0)
			continue;
		blame(p, line, name, "unknown setting here; there is "
		      "\"%s%s%s\"", t->keys[i].group,
		      *t->keys[i].group ? "." : "", name);
		return;
	}
	blame(p, line, name, "unknown setting");
}

/* --- numbers that libconfig would misread -------------------------------- */

struct scan {
	const char *p;
	size_t line;
	size_t open;		/* line of a text or comment that never ends */
};

static void scan_char(struct scan *s)
{
	if (*s->p == '\n')
		s->line++;
	s->p++;
}

/* Over a string or a comment; false when there is none here. */
static bool scan_skip(struct scan *s)
{
	size_t line = s->line;

	if (*s->p == '"') {
		for (scan_char(s); *s->p && *s->p != '"'; scan_char(s))
			if (*s->p == '\\' && s->p[1])
				scan_char(s);
		if (*s->p)
			s->p++;
		else
			s->open = line;
	} else if (*s->p == '#' || strncmp(s->p, "//", 2) == 0) {
		s->p += strcspn(s->p, "\n");
	} else if (strncmp(s->p, "/*", 2) == 0) {
		for (s->p += 2; *s->p && strncmp(s->p, "*/", 2) != 0;)
			scan_char(s);
		if (*s->p)
			s->p += 2;
		else
			s->open = line;
	} else {
		return false;
	}
	return true;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '*';
}

static const char *over_name(const char *p)
{
	while (is_name_char(*p) || *p == '-')
		p++;
	return p;
}

/* A number: 32 bits, or 64 with L; beyond, libconfig 1.5 wraps silently. */
static void scan_number(struct place *p, struct scan *s)
{
	const char *start = s->p;
	size_t len;
	char *end;
	long long n;
	bool wide;

	s->p += *s->p == '-' || *s->p == '+';
	while (is_name_char(*s->p) || *s->p == '.' ||
	       ((*s->p == '-' || *s->p == '+') && strchr("eE", s->p[-1])))
		s->p++;
	len = (size_t)(s->p - start);
	errno = 0;
	n = strtoll(start, &end, start[0] == '0' && (start[1] | 32) == 'x' ?
		    16 : 10);
	wide = *end == 'L';
	if (end < s->p && !wide)
		return;			/* a float, or an error of syntax */
	if (errno == 0 && (wide || (n >= INT32_MIN && n <= INT32_MAX)))
		return;
	if (p->c->n_wrapped < sizeof(p->c->wrapped) / sizeof(size_t))
		p->c->wrapped[p->c->n_wrapped++] = s->line;
	if (errno)
		blame(p, s->line, "", "number %.*s is out of all range",
		      (int)(len < 40 ? len : 40), start);
	else
		blame(p, s->line, "", "number %lld needs more than 32 bits: "
		      "write %lldL, or a text with a unit", n, n);
}

/* One file is one configuration: the file and line of every error, and the
 * directory paths start from, stay plain. */
static enum rc scan_text(struct place *p, const char *text)
{
	struct scan s = { text, 1, 0 };
	enum rc rc = RC_OK;

	while (*s.p) {
		char c = *s.p;

		if (scan_skip(&s))
			continue;
		if (strncmp(s.p, "@include", 8) == 0) {
			blame(p, s.line, "", "@include is not supported: one "
			      "file holds the whole configuration");
			rc = RC_ERULE;
		}
		if ((c >= '0' && c <= '9') || c == '-' || c == '+')
			scan_number(p, &s);
		else if (is_name_char(c))
			s.p = over_name(s.p);
		else
			scan_char(&s);
	}
	if (!s.open)
		return rc;
	/* libconfig would name the last line, and leak the text. */
	blame(p, s.open, "", "a text (\") or comment (/*) that begins here "
	      "has no end");
	return RC_ESYNTAX;
}

static bool was_wrapped(const struct conf *c, size_t line)
{
	for (size_t i = 0; i < c->n_wrapped; i++)
		if (c->wrapped[i] == line)
			return true;
	return false;
}

/* --- values from the file ------------------------------------------------ */

static bool in_range(const struct conf_key *key, int64_t n)
{
	return (key->min == 0 && key->max == 0) ||
	       (n >= key->min && n <= key->max);
}

static void blame_range(const struct place *p, const struct conf_key *key,
			size_t line, int64_t n, const char *unit)
{
	if (key->max == INT64_MAX)
		blame(p, line, key->name, "%" PRId64 "%s is too little; at "
		      "least %" PRId64, n, unit, key->min);
	else
		blame(p, line, key->name, "%" PRId64 "%s is out of range; "
		      "%" PRId64 " to %" PRId64, n, unit, key->min, key->max);
}

/* The text as it is kept: a path joined with the directory of the file. */
static char *keep_text(const struct place *p, enum conf_type type,
		       const char *text)
{
	char *s = NULL;

	if (type == CONF_PATH) {
		if (file_path_join(strcmp(p->c->dir, ".") == 0 ? "" :
				   p->c->dir, text, &s) != RC_OK)
			s = NULL;
	} else {
		s = strdup(text);
	}
	if (!s)
		*p->no_memory = true;
	return s;
}

/* One text by the rule of its type; NULL: blamed, or no memory. */
static char *read_text(const struct place *p, const struct conf_key *key,
		       const char *text, size_t line)
{
	enum conf_type type = item_type(key->type);
	int64_t len = (int64_t)strlen(text);
	struct conf_listen l;

	if (len == 0 && !(key->type == CONF_STRING && key->max > 0 &&
			  key->min == 0)) {
		blame(p, line, key->name, "must not be empty; %s",
		      type_wants(type));
		return NULL;
	}
	if (has_control(text)) {
		blame(p, line, key->name, "must not hold control characters");
		return NULL;
	}
	if (key->type == CONF_STRING && !in_range(key, len)) {
		blame_range(p, key, line, len, " bytes");
		return NULL;
	}
	if ((type == CONF_URI && !is_uri(text)) ||
	    (type == CONF_LISTEN && conf_listen_parse(text, &l) != RC_OK)) {
		blame(p, line, key->name, "\"%.100s\" is not %s", text,
		      type_wants(type));
		return NULL;
	}
	return keep_text(p, type, text);
}

static bool text_number(enum conf_type type, const char *s, int64_t *out)
{
	switch (type) {
	case CONF_SIZE:
		return parse_size(s, out);
	case CONF_SECONDS:
		return parse_seconds(s, out);
	case CONF_BOOL:
		*out = strcmp(s, "true") == 0;
		return *out || strcmp(s, "false") == 0;
	default:
		return parse_number(s, "", NULL, out);
	}
}

static void read_number(const struct place *p, const struct conf_key *key,
			const config_setting_t *s, struct value *v)
{
	size_t line = v->line;
	int type = config_setting_type(s);
	int64_t n = 0;

	if (was_wrapped(p->c, line))
		return;			/* said already, with the true number */
	if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
		n = config_setting_get_int64(s);
	} else if (type != CONFIG_TYPE_STRING || key->type == CONF_INT ||
		   !text_number(key->type, config_setting_get_string(s), &n)) {
		blame(p, line, key->name, "must be %s", type_wants(key->type));
		return;
	}
	if (key->type != CONF_INT && n < 0)
		blame(p, line, key->name, "must not be negative");
	else if (!in_range(key, n))
		blame_range(p, key, line, n, "");
	else
		v->num = n, v->set = true;
}

static void free_items(struct value *v)
{
	for (size_t i = 0; i < v->n && v->items; i++)
		free(v->items[i]);
	free(v->items);
	v->items = NULL;
	v->n = 0;
}

static bool read_item(const struct place *p, const struct conf_key *key,
		      const config_setting_t *s, struct value *v)
{
	size_t line = config_setting_source_line(s);
	char *text;

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		blame(p, line, key->name, "must be %s", type_wants(key->type));
		return false;
	}
	text = read_text(p, key, config_setting_get_string(s), line);
	if (!text)
		return false;
	v->items[v->n++] = text;
	return true;
}

static void read_many(const struct place *p, const struct conf_key *key,
		      const config_setting_t *s, struct value *v)
{
	int n = config_setting_is_aggregate(s) ? config_setting_length(s) : 1;
	int type = config_setting_type(s);
	bool ok = true;

	if (type == CONFIG_TYPE_GROUP) {
		blame(p, v->line, key->name, "must be %s",
		      type_wants(key->type));
		return;
	}
	if (!in_range(key, n) || n > LIST_MAX) {
		blame_range(p, key, v->line, n, n == 1 ? " entry" : " entries");
		return;
	}
	v->items = calloc((size_t)n + 1, sizeof(*v->items));
	if (!v->items) {
		*p->no_memory = true;
		return;
	}
	if (!config_setting_is_aggregate(s))
		ok = read_item(p, key, s, v);
	else
		for (int i = 0; i < n; i++)
			ok &= read_item(p, key, config_setting_get_elem(s,
					(unsigned)i), v);
	v->set = ok;
	if (!ok)
		free_items(v);		/* a default may take its place */
}

static void read_group(const struct place *p, const config_setting_t *group);
static void fill_defaults(const struct place *p);

static void read_elem(const struct place *p, const struct conf_key *key,
		      const config_setting_t *s, size_t i, struct value *v)
{
	struct place in = *p;

	full_name(p->group, key->name, in.group, sizeof(in.group));
	snprintf(in.shown, sizeof(in.shown), "%.80s%s%.60s[%zu]", p->shown,
		 *p->shown ? "." : "", key->name, i);
	if (!config_setting_is_group(s)) {
		blame(&in, config_setting_source_line(s), "",
		      "must be a group: { ... }");
		return;
	}
	in.vals = calloc(p->c->table->n, sizeof(*in.vals));
	if (!in.vals) {
		*p->no_memory = true;
		return;
	}
	v->elems[v->n++] = in.vals;
	read_group(&in, s);
	fill_defaults(&in);
}

static void read_list(const struct place *p, const struct conf_key *key,
		      const config_setting_t *s, struct value *v)
{
	int n = config_setting_is_list(s) ? config_setting_length(s) : 0;

	/* () and [] are both "none". */
	if (!config_setting_is_list(s) && !(config_setting_is_array(s) &&
					    config_setting_length(s) == 0)) {
		blame(p, v->line, key->name, "must be %s",
		      type_wants(key->type));
		return;
	}
	v->set = true;
	if (!in_range(key, n) || n > LIST_MAX) {
		blame(p, v->line, key->name, "%d elements; %" PRId64
		      " to %" PRId64 " are allowed", n, key->min,
		      key->max && key->max < LIST_MAX ? key->max :
		      (int64_t)LIST_MAX);
		return;
	}
	v->elems = calloc((size_t)n + 1, sizeof(*v->elems));
	if (!v->elems) {
		*p->no_memory = true;
		return;
	}
	for (int i = 0; i < n; i++)
		read_elem(p, key, config_setting_get_elem(s, (unsigned)i),
			  (size_t)i, v);
}

static void read_value(const struct place *p, const struct conf_key *key,
		       const config_setting_t *s)
{
	struct value *v = &p->vals[key - p->c->table->keys];

	v->line = config_setting_source_line(s);
	v->seen = true;
	if (key->type == CONF_LIST) {
		read_list(p, key, s, v);
	} else if (is_many(key->type)) {
		read_many(p, key, s, v);
	} else if (is_number(key->type)) {
		read_number(p, key, s, v);
	} else if (config_setting_type(s) !=
		   (key->type == CONF_BOOL ? CONFIG_TYPE_BOOL :
		    CONFIG_TYPE_STRING)) {
		blame(p, v->line, key->name, "must be %s",
		      type_wants(key->type));
	} else if (key->type == CONF_BOOL) {
		v->num = config_setting_get_bool(s);
		v->set = true;
	} else {
		v->text = read_text(p, key, config_setting_get_string(s),
				    v->line);
		v->set = v->text != NULL;
	}
}

static void read_child(const struct place *p, const config_setting_t *s)
{
	const char *name = config_setting_name(s);
	const struct conf_key *key = find_row(p->c->table, p->group, name);
	struct place in = *p;
	int n;

	if (key) {
		read_value(p, key, s);
		return;
	}
	n = snprintf(in.group, sizeof(in.group), "%s%s%s", p->group,
		     *p->group ? "." : "", name);
	if (n < 0 || (size_t)n >= sizeof(in.group) ||
	    !is_group(p->c->table, in.group)) {
		blame_unknown(p, config_setting_source_line(s), name);
		return;
	}
	if (!config_setting_is_group(s)) {
		blame(p, config_setting_source_line(s), name,
		      "must be a group: { ... }");
		return;
	}
	snprintf(in.shown, sizeof(in.shown), "%.90s%s%.60s", p->shown,
		 *p->shown ? "." : "", name);
	read_group(&in, s);
}

static void read_group(const struct place *p, const config_setting_t *group)
{
	const struct conf_table *t = p->c->table;
	int n = config_setting_length(group);

	for (size_t i = 0; i < t->n; i++)
		if (*p->group && is_under(t->keys[i].group, p->group))
			p->vals[i].line = config_setting_source_line(group);
	for (int i = 0; i < n; i++)
		read_child(p, config_setting_get_elem(group, (unsigned)i));
}

/* A default is a text of the table: one that does not fit is our mistake. */
static void fill_default(const struct place *p, const struct conf_key *key,
			 struct value *v)
{
	bool ok = true;

	if (is_number(key->type) || key->type == CONF_BOOL) {
		ok = text_number(key->type, key->def, &v->num);
	} else if (is_many(key->type)) {
		v->items = calloc(2, sizeof(*v->items));
		if (v->items)
			v->items[v->n] = keep_text(p, item_type(key->type),
						   key->def);
		v->n = v->items && v->items[0];
	} else if (key->type != CONF_LIST) {
		v->text = keep_text(p, key->type, key->def);
	}
	assert(ok);
	(void)ok;
}

/* Name of a row as seen from the place: without the list's own name. */
static const char *relative(const struct place *p, const struct conf_key *key,
			    char *dst, size_t size)
{
	const char *group = key->group + strlen(p->group);

	full_name(*group == '.' ? group + 1 : group, key->name, dst, size);
	return dst;
}

/* After everything of the file was read: what it did not say. */
static void fill_defaults(const struct place *p)
{
	const struct conf_table *t = p->c->table;
	char name[NAME_MAX_SHOWN];

	for (size_t i = 0; i < t->n; i++) {
		const struct conf_key *key = &t->keys[i];
		struct value *v = &p->vals[i];

		if (*p->group ? !is_under(key->group, p->group) :
		    list_of(t, key) != NULL)
			continue;
		if (!v->seen && (key->flags & CONF_REQUIRED))
			blame(p, v->line, relative(p, key, name, sizeof(name)),
			      "is missing; it must be %s",
			      type_wants(key->type));
		if (!v->set && key->def)
			fill_default(p, key, v);
	}
}

static enum rc read_file(struct conf *c, struct buf *text, struct buf *errors)
{
	struct diag d = { .line = 0 };
	enum rc rc = file_read(c->path, FILE_MAX, text, &d);

	if (rc == RC_OK && strlen(buf_str(text)) != text->len)
		rc = diag_set(&d, RC_ESYNTAX, "holds a NUL byte");
	if (rc != RC_OK) {
		if (!d.file[0])
			snprintf(d.file, sizeof(d.file), "%s", c->path);
		diag_print(&d, errors);
		buf_putc(errors, '\n');
	}
	return rc;
}

static enum rc parse(struct place *p, const char *text, config_t *lc)
{
	enum rc rc = scan_text(p, text);

	if (rc != RC_OK || config_read_string(lc, text) == CONFIG_TRUE)
		return rc;
	blame(p, (size_t)config_error_line(lc), "", "%s; a setting is  name = "
	      "value;  and a group  name: { ... };", config_error_text(lc));
	return RC_ESYNTAX;
}

static enum rc read_all(struct conf *c, const char *text, struct buf *errors)
{
	bool no_memory = false;
	struct place p = { .c = c, .errors = errors, .vals = c->vals,
			   .no_memory = &no_memory };
	size_t before = errors->len;
	config_t lc;
	enum rc rc;

	config_init(&lc);
	rc = parse(&p, text, &lc);
	if (rc == RC_OK) {
		read_group(&p, config_root_setting(&lc));
		fill_defaults(&p);
		if (c->table->check && !no_memory)
			c->table->check(c, errors);
	}
	config_destroy(&lc);
	if (no_memory)
		return RC_ENOMEM;
	if (rc == RC_OK && (errors->len != before || errors->rc != RC_OK))
		rc = RC_ERULE;
	return rc;
}

enum rc conf_load(const struct conf_table *t, const char *path,
		  struct conf **out, struct buf *errors)
{
	struct buf text = BUF_INIT(FILE_MAX);
	struct conf *c = calloc(1, sizeof(*c));
	enum rc rc = RC_ENOMEM;

	if (!c)
		goto out;
	c->table = t;
	c->path = strdup(path);
	c->vals = calloc(t->n ? t->n : 1, sizeof(*c->vals));
	if (!c->path || !c->vals || file_path_dir(path, &c->dir) != RC_OK)
		goto out;
	rc = read_file(c, &text, errors);
	if (rc == RC_OK)
		rc = read_all(c, buf_str(&text), errors);
	if (rc != RC_OK)
		goto out;
	*out = c;
	c = NULL;
out:
	if (rc == RC_ENOMEM)
		buf_printf(errors, "%s: %s\n", path, rc_text(rc));
	buf_free(&text);
	conf_free(c);
	return rc;
}

static void free_values(const struct conf_table *t, struct value *vals)
{
	for (size_t i = 0; i < t->n && vals; i++) {
		struct value *v = &vals[i];

		free(v->text);
		for (size_t k = 0; v->elems && k < v->n; k++)
			free_values(t, v->elems[k]);
		free(v->elems);
		free_items(v);
	}
	free(vals);
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	free_values(c->table, c->vals);
	free(c->path);
	free(c->dir);
	free(c);
}

/* --- questions ----------------------------------------------------------- */

static size_t row_of(const struct conf *c, const char *list, const char *name)
{
	char want[NAME_MAX_SHOWN], have[NAME_MAX_SHOWN];

	full_name(list, name, want, sizeof(want));
	for (size_t i = 0; i < c->table->n; i++) {
		full_name(c->table->keys[i].group, c->table->keys[i].name,
			  have, sizeof(have));
		if (strcmp(want, have) == 0)
			return i;
	}
	fprintf(stderr, "conf: %s is in no row\n", want);
	abort();
}

static const struct value *plain(const struct conf *c, const char *name)
{
	return &c->vals[row_of(c, "", name)];
}

static const struct value *elem(const struct conf *c, const char *list,
				size_t i, const char *name)
{
	const struct value *l = plain(c, list);

	assert(i < l->n && l->elems);
	return &l->elems[i][row_of(c, list, name)];
}

static const char *nth(const struct value *v, size_t k)
{
	return v->items && k < v->n ? v->items[k] : NULL;
}

void conf_blame(const struct conf *c, struct buf *errors, const char *list,
		long i, const char *name, const char *fmt, ...)
{
	const struct value *v = i < 0 ? plain(c, name) :
				elem(c, list, (size_t)i, name);
	char shown[NAME_MAX_SHOWN] = "";
	va_list ap;

	if (i >= 0)
		snprintf(shown, sizeof(shown), "%s[%ld]", list, i);
	va_start(ap, fmt);
	blame_va(c, errors, v->line, shown, name, fmt, ap);
	va_end(ap);
}

const char *conf_path(const struct conf *c)
{
	return c->path;
}

bool conf_is_set(const struct conf *c, const char *name)
{
	return plain(c, name)->set;
}

const char *conf_get_str(const struct conf *c, const char *name)
{
	return plain(c, name)->text;
}

bool conf_get_bool(const struct conf *c, const char *name)
{
	return plain(c, name)->num != 0;
}

int64_t conf_get_int(const struct conf *c, const char *name)
{
	return plain(c, name)->num;
}

size_t conf_get_count(const struct conf *c, const char *name)
{
	return plain(c, name)->n;
}

const char *conf_get_nth(const struct conf *c, const char *name, size_t k)
{
	return nth(plain(c, name), k);
}

enum rc conf_get_listen(const struct conf *c, const char *name,
			struct conf_listen *out)
{
	const char *text = conf_get_str(c, name);

	return text ? conf_listen_parse(text, out) : RC_ENOENT;
}

size_t conf_list_count(const struct conf *c, const char *list)
{
	return plain(c, list)->n;
}

bool conf_list_is_set(const struct conf *c, const char *list, size_t i,
		      const char *name)
{
	return elem(c, list, i, name)->set;
}

const char *conf_list_str(const struct conf *c, const char *list, size_t i,
			  const char *name)
{
	return elem(c, list, i, name)->text;
}

bool conf_list_bool(const struct conf *c, const char *list, size_t i,
		    const char *name)
{
	return elem(c, list, i, name)->num != 0;
}

int64_t conf_list_int(const struct conf *c, const char *list, size_t i,
		      const char *name)
{
	return elem(c, list, i, name)->num;
}

size_t conf_list_strings(const struct conf *c, const char *list, size_t i,
			 const char *name)
{
	return elem(c, list, i, name)->n;
}

const char *conf_list_nth(const struct conf *c, const char *list, size_t i,
			  const char *name, size_t k)
{
	return nth(elem(c, list, i, name), k);
}

/* --- differences --------------------------------------------------------- */

static bool same_vals(const struct conf_table *t, const struct value *a,
		      const struct value *b);

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_value(const struct conf_table *t, const struct value *a,
		       const struct value *b)
{
	if (a->num != b->num || a->n != b->n || !same_text(a->text, b->text))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->items && !same_text(a->items[i], b->items[i]))
			return false;
		if (a->elems && !same_vals(t, a->elems[i], b->elems[i]))
			return false;
	}
	return true;
}

static bool same_vals(const struct conf_table *t, const struct value *a,
		      const struct value *b)
{
	for (size_t i = 0; i < t->n; i++)
		if (!same_value(t, &a[i], &b[i]))
			return false;
	return true;
}

void conf_diff(const struct conf *from, const struct conf *to,
	       struct buf *live, struct buf *restart)
{
	const struct conf_table *t = from->table;
	char name[NAME_MAX_SHOWN];

	for (size_t i = 0; i < t->n; i++) {
		if (same_value(t, &from->vals[i], &to->vals[i]))
			continue;
		full_name(t->keys[i].group, t->keys[i].name, name,
			  sizeof(name));
		buf_printf(t->keys[i].flags & CONF_LIVE ? live : restart,
			   "%s\n", name);
	}
}

/* --- printing ------------------------------------------------------------ */

struct out {
	const struct conf_table *table;
	const struct value *vals;	/* NULL: a table, no configuration */
	struct buf *dst;
	const char *lead;		/* "# " where all is a comment */
	int depth;
};

static void indent(const struct out *o)
{
	buf_printf(o->dst, "%s%*s", o->lead, o->depth * 2, "");
}

static void put_text(struct buf *dst, const char *s)
{
	buf_putc(dst, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_putc(dst, '\\');
		buf_putc(dst, *s);
	}
	buf_putc(dst, '"');
}

static void put_number(struct buf *dst, int64_t n)
{
	buf_printf(dst, "%" PRId64 "%s", n,
		   n < INT32_MIN || n > INT32_MAX ? "L" : "");
}

static void put_value(struct buf *dst, const struct conf_key *key,
		      const struct value *v)
{
	if (key->type == CONF_BOOL) {
		buf_puts(dst, v->num ? "true" : "false");
	} else if (is_number(key->type)) {
		put_number(dst, v->num);
	} else if (is_many(key->type)) {
		buf_putc(dst, '[');
		for (size_t i = 0; i < v->n; i++) {
			buf_puts(dst, i ? ", " : "");
			put_text(dst, v->items[i]);
		}
		buf_putc(dst, ']');
	} else {
		put_text(dst, v->text ? v->text : "");
	}
}

/* A default as the file would say it, or what kind of value belongs there. */
static void put_default(struct buf *dst, const struct conf_key *key)
{
	const char *s = key->def;
	bool bare = key->type == CONF_BOOL || key->type == CONF_INT ||
		    (is_number(key->type) && s &&
		     s[strspn(s, "0123456789")] == '\0');

	if (!s && is_number(key->type))
		buf_puts(dst, "0");
	else if (!s && key->type == CONF_BOOL)
		buf_puts(dst, "false");
	else if (bare)
		buf_puts(dst, s);
	else
		put_text(dst, s ? s : "...");
}

static bool has_value(const struct conf_key *key, const struct value *v)
{
	return v->set || key->def;
}

static void put_row(const struct out *o, const struct conf_key *key,
		    const struct value *v)
{
	const char *note = "";

	indent(o);
	buf_printf(o->dst, "# %s\n", key->help);
	indent(o);
	if (!v || !has_value(key, v) || (key->flags & CONF_SECRET)) {
		buf_puts(o->dst, *o->lead ? "" : "# ");
		note = key->flags & CONF_REQUIRED ? "\t# required" :
		       !key->def ? "\t# not set" : "";
	}
	if (v && v->set && (key->flags & CONF_SECRET))
		note = "\t# set, not shown";
	else if (v && !v->set && key->def)
		note = "\t# default";
	buf_printf(o->dst, "%s = ", key->name);
	if (v && has_value(key, v) && !(key->flags & CONF_SECRET))
		put_value(o->dst, key, v);
	else
		put_default(o->dst, key);
	buf_printf(o->dst, ";%s\n", note);
}

static void put_group(const struct out *o, const char *group);

static void put_elems(const struct out *o, const struct conf_key *key,
		      const struct value *v)
{
	char group[NAME_MAX_SHOWN];
	struct out in = *o;

	full_name(key->group, key->name, group, sizeof(group));
	in.depth = o->depth + 2;
	for (size_t i = 0; i < (v ? v->n : 1); i++) {
		in.vals = v ? v->elems[i] : NULL;
		buf_printf(o->dst, "%s%s%*s{\n", i ? ",\n" : "", o->lead,
			   o->depth * 2 + 2, "");
		put_group(&in, group);
		buf_printf(o->dst, "%s%*s}", o->lead, o->depth * 2 + 2, "");
	}
	buf_puts(o->dst, v && !v->n ? "" : "\n");
}

static void put_list(const struct out *o, const struct conf_key *key,
		     const struct value *v)
{
	struct out in = *o;

	indent(o);
	buf_printf(o->dst, "# %s\n", key->help);
	if (!v)
		in.lead = "# ";
	indent(&in);
	buf_printf(o->dst, "%s = (\n", key->name);
	put_elems(&in, key, v);
	indent(&in);
	buf_puts(o->dst, ");");
	buf_puts(o->dst, v && !v->set ? "\t# default\n" : "\n");
}

static void put_rows(const struct out *o, const char *group)
{
	for (size_t i = 0; i < o->table->n; i++) {
		const struct conf_key *key = &o->table->keys[i];
		const struct value *v = o->vals ? &o->vals[i] : NULL;

		if (strcmp(key->group, group) != 0)
			continue;
		if (key->type == CONF_LIST)
			put_list(o, key, v);
		else
			put_row(o, key, v);
	}
}

/* A group is opened at its first row and takes all of its rows with it; lists
 * have printed theirs. */
static void put_groups(const struct out *o, const char *group)
{
	char name[NAME_MAX_SHOWN], path[NAME_MAX_SHOWN], seen[NAME_MAX_SHOWN];
	const struct conf_table *t = o->table;
	struct out in = *o;

	in.depth++;
	for (size_t i = 0; i < t->n; i++) {
		bool first = true;

		if (!child_group(t, i, group, name, sizeof(name)) ||
		    find_row(t, group, name))
			continue;
		for (size_t k = 0; k < i && first; k++)
			first = !child_group(t, k, group, seen,
					     sizeof(seen)) ||
				strcmp(seen, name) != 0;
		if (!first)
			continue;
		indent(o);
		buf_printf(o->dst, "%s: {\n", name);
		full_name(group, name, path, sizeof(path));
		put_group(&in, path);
		indent(o);
		buf_puts(o->dst, "};\n");
	}
}

static void put_group(const struct out *o, const char *group)
{
	put_rows(o, group);
	put_groups(o, group);
}

void conf_show(const struct conf *c, struct buf *dst)
{
	struct out o = { c->table, c->vals, dst, "", 0 };

	buf_printf(dst, "# effective configuration of %s\n", c->path);
	put_group(&o, "");
}

void conf_sample(const struct conf_table *t, struct buf *dst)
{
	struct out o = { t, NULL, dst, "", 0 };

	buf_printf(dst, "# %s\n", t->title);
	put_group(&o, "");
}

static void put_roff(struct buf *dst, const char *s)
{
	if (*s == '.' || *s == '\'')
		buf_puts(dst, "\\&");
	for (; *s; s++) {
		if (*s == '\\')
			buf_puts(dst, "\\e");
		else if (*s == '-')
			buf_puts(dst, "\\-");
		else
			buf_putc(dst, *s);
	}
}

static void put_manual_range(struct buf *dst, const struct conf_key *key)
{
	const char *of = is_number(key->type) ? "" :
			 key->type == CONF_STRING ? " bytes" : " entries";

	if (key->min == 0 && key->max == 0)
		return;
	if (key->max == INT64_MAX)
		buf_printf(dst, " At least %" PRId64 "%s.", key->min, of);
	else
		buf_printf(dst, " %" PRId64 " to %" PRId64 "%s.", key->min,
			   key->max, of);
}

static void put_manual_row(struct buf *dst, const struct conf_key *key)
{
	buf_puts(dst, ".TP\n.B ");
	put_roff(dst, key->group);
	buf_puts(dst, *key->group ? "." : "");
	put_roff(dst, key->name);
	buf_putc(dst, '\n');
	put_roff(dst, key->help);
	buf_puts(dst, ".\n");
	put_roff(dst, type_wants(key->type));
	buf_putc(dst, '.');
	put_manual_range(dst, key);
	if (key->def) {
		buf_puts(dst, " Default: ");
		put_roff(dst, key->def);
		buf_putc(dst, '.');
	}
	buf_puts(dst, key->flags & CONF_REQUIRED ? " Required." : "");
	buf_puts(dst, key->flags & CONF_LIVE ? " Takes effect at a reload.\n" :
		 " A change needs a restart.\n");
}

void conf_manual(const struct conf_table *t, struct buf *dst)
{
	buf_puts(dst, ".SH SETTINGS\n");
	for (size_t i = 0; i < t->n; i++)
		put_manual_row(dst, &t->keys[i]);
}
