/* fuzz_conf.c - any bytes as a configuration, for libFuzzer.
 *
 * The first byte says whose: server's or proxy's. What is refused says why; what
 * is taken is taken again as it is shown, and from then on (defaults are set now)
 * shows the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/sys/conf.h"
#include "proxy/settings.h"
#include "server/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

#define TEXT_MAX ((size_t)4 << 20)

/* libconfig 1.5 forgets some bytes where the syntax is wrong. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

static void must(int ok)
{
	if (!ok)
		abort();
}

static struct conf *load(const struct conf_table *t, const char *text,
                         size_t len)
{
	struct buf errors = BUF_INIT(TEXT_MAX);
	struct conf *c = NULL;
	int fd = memfd_create("conf", MFD_CLOEXEC);
	char path[64];

	must(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (conf_load(t, path, &c, &errors) != RC_OK)
		must(c == NULL && errors.len > 0);
	close(fd);
	buf_free(&errors);
	return c;
}

/* Takes text that is a configuration and gives what it shows. */
static void show(const struct conf_table *t, const struct buf *text,
                 struct buf *dst)
{
	struct conf *c = load(t, text->data, text->len);

	must(c != NULL);
	conf_show(c, dst);
	conf_free(c);
	must(buf_rc(dst) == RC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one = BUF_INIT(TEXT_MAX), two = BUF_INIT(TEXT_MAX);
	struct buf three = BUF_INIT(TEXT_MAX);
	const struct conf_table *t;
	struct conf *c;

	if (!size)
		return 0;
	t = data[0] & 1 ? &proxy_settings : &server_settings;
	c = load(t, (const char *)data + 1, size - 1);
	if (!c)
		return 0;
	conf_show(c, &one);
	conf_free(c);
	show(t, &one, &two);
	show(t, &two, &three);
	must(two.len == three.len &&
	     memcmp(two.data, three.data, two.len) == 0);
	buf_free(&one);
	buf_free(&two);
	buf_free(&three);
	return 0;
}
