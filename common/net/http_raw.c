#include "common/net/http_raw.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/buf.h"
#include "common/sys/clock.h"

#define ANSWER_MAX 1024

/* RFC 9110 s5.6.7; not strftime(), which writes in the language of the day. */
static void put_date(struct buf *b)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)clock_wall_s();
	struct tm t;

	if (gmtime_r(&now, &t) != NULL)
		buf_printf(b, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n",
		           days + 3 * t.tm_wday, t.tm_mday,
		           months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour,
		           t.tm_min, t.tm_sec);
}

void http_raw_send(int fd, const struct http_raw *answer)
{
	struct buf b = BUF_INIT(ANSWER_MAX);

	buf_printf(&b, "HTTP/1.1 %u %s\r\n", answer->status,
	           MHD_get_reason_phrase_for(answer->status));
	put_date(&b);
	if (answer->retry_s > 0)
		buf_printf(&b, "Retry-After: %u\r\n", answer->retry_s);
	buf_printf(&b, "Connection: close\r\nContent-Type: text/plain\r\n"
	           "Content-Length: %zu\r\n\r\n%s\n", strlen(answer->text) + 1,
	           answer->text);
	if (buf_rc(&b) == RC_OK)
		(void)!send(fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_free(&b);
}
