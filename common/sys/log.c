#include "common/sys/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	int priority;		/* of syslog(3), for the journal */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN]  = { "warn", 4 },
	[LOG_LEVEL_INFO]  = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

#define N_LEVELS (sizeof(levels) / sizeof(levels[0]))

static atomic_int level_now = LOG_LEVEL_INFO;
static bool to_journal;		/* set before threads start */

/* JOURNAL_STREAM is inherited: it counts only while it names our stderr. */
static bool stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	char want[64];
	struct stat st;

	if (!env || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(want, sizeof(want), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return strcmp(env, want) == 0;
}

void log_init(enum log_level level)
{
	to_journal = stderr_is_journal();
	log_level_set(level);
}

void log_level_set(enum log_level level)
{
	atomic_store(&level_now, (int)level);
}

enum log_level log_level_get(void)
{
	return (enum log_level)atomic_load(&level_now);
}

enum rc log_level_parse(const char *name, enum log_level *out)
{
	for (size_t i = 0; i < N_LEVELS; i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*out = (enum log_level)i;
			return RC_OK;
		}
	}
	return RC_EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return (size_t)level < N_LEVELS ? levels[level].name : "?";
}

bool log_wants(enum log_level level)
{
	return level <= log_level_get();
}

/* Bytes of the UTF-8 character at s, 0 when it is none or a control. */
static size_t printable(const unsigned char *s)
{
	size_t n;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;	/* a NUL ends here as well */
	if ((s[0] == 0xc2 && s[1] < 0xa0) ||	/* C1 controls */
	    (s[0] == 0xe0 && s[1] < 0xa0) ||
	    (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

struct line {
	char text[LOG_LINE_MAX + 1];	/* + the newline */
	size_t len;
	bool cut;
};

static void line_bytes(struct line *l, const void *p, size_t n)
{
	if (l->cut || n > LOG_LINE_MAX - 3 - l->len) {
		l->cut = true;		/* the 3 are for the dots */
		return;
	}
	memcpy(l->text + l->len, p, n);
	l->len += n;
}

static void line_text(struct line *l, const char *s)
{
	char hex[8];

	while (*s && !l->cut) {
		size_t n = printable((const unsigned char *)s);

		if (n) {
			line_bytes(l, s, n);
			s += n;
			continue;
		}
		snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)*s++);
		line_bytes(l, hex, 4);
	}
}

static void line_head(struct line *l, enum log_level level)
{
	char head[64];
	struct timespec now;
	struct tm tm;
	size_t n;

	if (to_journal) {
		snprintf(head, sizeof(head), "<%d>", levels[level].priority);
		line_bytes(l, head, strlen(head));
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(head + n, sizeof(head) - n, ".%03ldZ %-5s ",
		 now.tv_nsec / 1000000, levels[level].name);
	line_bytes(l, head, strlen(head));
}

static void line_end(struct line *l)
{
	if (l->cut) {
		memcpy(l->text + l->len, "...", 3);
		l->len += 3;
	}
	l->text[l->len++] = '\n';
}

static void log_line(enum log_level level, const char *subject,
		     const char *fmt, va_list ap)
{
	char body[LOG_LINE_MAX + 1];
	struct line l = { .len = 0 };
	int saved = errno;

	if (!log_wants(level))
		return;
	if (vsnprintf(body, sizeof(body), fmt, ap) < 0)
		body[0] = '\0';
	line_head(&l, level);
	line_text(&l, subject);
	line_bytes(&l, ": ", 2);
	line_text(&l, body);
	line_end(&l);
	/* A log that cannot be written is nobody's reason to stop. */
	while (write(STDERR_FILENO, l.text, l.len) < 0 && errno == EINTR)
		;
	errno = saved;
}

#define LOG_FUNC(name, level) \
void name(const char *subject, const char *fmt, ...) \
{ \
	va_list ap; \
\
	va_start(ap, fmt); \
	log_line(level, subject, fmt, ap); \
	va_end(ap); \
}

LOG_FUNC(log_error, LOG_LEVEL_ERROR)
LOG_FUNC(log_warn, LOG_LEVEL_WARN)
LOG_FUNC(log_info, LOG_LEVEL_INFO)
LOG_FUNC(log_debug, LOG_LEVEL_DEBUG)
