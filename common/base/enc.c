#include "common/base/enc.h"

#include <stdio.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void enc_hex(const void *data, size_t len, char *out)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		*out++ = hex_digits[p[i] >> 4];
		*out++ = hex_digits[p[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

enum rc enc_hex_read(const char *s, size_t s_len, void *out, size_t out_len)
{
	uint8_t *p = out;

	if (out_len > SIZE_MAX / 2 || s_len != 2 * out_len)
		return RC_ESYNTAX;
	for (size_t i = 0; i < s_len; i++)
		if (hex_value(s[i]) < 0)
			return RC_ESYNTAX;
	for (size_t i = 0; i < out_len; i++)
		p[i] = (uint8_t)(hex_value(s[2 * i]) << 4 |
		                 hex_value(s[2 * i + 1]));
	return RC_OK;
}

/* Up to three bytes as a group of up to four characters. */
static size_t put_group(const uint8_t *p, size_t n, const char *abc, char *out)
{
	uint32_t v = (uint32_t)p[0] << 16;

	if (n > 1)
		v |= (uint32_t)p[1] << 8;
	if (n > 2)
		v |= p[2];
	out[0] = abc[v >> 18];
	out[1] = abc[v >> 12 & 63];
	out[2] = abc[v >> 6 & 63];
	out[3] = abc[v & 63];
	return n + 1;
}

static void put_base64(struct buf *dst, const void *data, size_t len,
                       const char *abc, bool pad)
{
	const uint8_t *p = data;
	char *out, *start;

	/* The ceiling counts what is written, not what a full group takes. */
	start = out = buf_room(dst, len / 3 * 4 +
	                       (len % 3 == 0 ? 0 : pad ? 4 : len % 3 + 1));
	if (!out)
		return;
	for (; len >= 3; len -= 3, p += 3)
		out += put_group(p, 3, abc, out);
	if (len) {
		char last[4];
		size_t n = put_group(p, len, abc, last);

		memcpy(out, last, n);
		out += n;
		for (; pad && n < 4; n++)
			*out++ = '=';
	}
	buf_used(dst, (size_t)(out - start));
}

void enc_base64(struct buf *dst, const void *data, size_t len)
{
	put_base64(dst, data, len, alphabet, true);
}

void enc_base64url(struct buf *dst, const void *data, size_t len)
{
	put_base64(dst, data, len, alphabet_url, false);
}

static int base64_value(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	if (c == (url ? '_' : '/'))
		return 63;
	return -1;
}

/* n = 2..4 characters to n - 1 bytes; spare bits must be zero. */
static bool read_group(const char *s, size_t n, bool url, uint8_t *out)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		int x = i < n ? base64_value(s[i], url) : 0;

		if (x < 0)
			return false;
		v = v << 6 | (uint32_t)x;
	}
	if ((n == 2 && (v & 0xffff)) || (n == 3 && (v & 0xff)))
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		out[i] = (uint8_t)(v >> (16 - 8 * i));
	return true;
}

static enum rc read_base64(const char *s, size_t n, bool url, struct buf *dst)
{
	size_t full = n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0);
	uint8_t *out, *start;

	if (n % 4 == 1)
		return RC_ESYNTAX;
	start = out = (uint8_t *)buf_room(dst, full);
	if (!out)
		return buf_rc(dst);
	for (; n; out += 3) {
		size_t part = n < 4 ? n : 4;

		if (!read_group(s, part, url, out)) {
			start[0] = '\0';	/* the NUL that was there */
			return RC_ESYNTAX;
		}
		s += part;
		n -= part;
	}
	buf_used(dst, full);
	return RC_OK;
}

enum rc enc_base64_read(const char *s, size_t s_len, struct buf *dst)
{
	if (s_len % 4)
		return RC_ESYNTAX;
	if (s_len && s[s_len - 1] == '=')
		s_len -= s[s_len - 2] == '=' ? 2 : 1;
	return read_base64(s, s_len, false, dst);
}

enum rc enc_base64url_read(const char *s, size_t s_len, struct buf *dst)
{
	return read_base64(s, s_len, true, dst);
}

static bool uuid_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

bool enc_uuid_ok(const char *s)
{
	for (size_t i = 0; i < UUID_TEXT; i++)
		if (uuid_dash(i) ? s[i] != '-' : hex_value(s[i]) < 0)
			return false;	/* also at an early NUL */
	return s[UUID_TEXT] == '\0';
}

void enc_uuid(const uint8_t bytes[16], char out[UUID_TEXT + 1])
{
	static const uint8_t part[] = { 4, 2, 2, 2, 6 };

	for (size_t i = 0; i < sizeof(part); i++) {
		if (i)
			*out++ = '-';
		enc_hex(bytes, part[i], out);
		bytes += part[i];
		out += 2 * part[i];
	}
}

void enc_uuid7(uint64_t wall_ms, const uint8_t random[10],
               char out[UUID_TEXT + 1])
{
	uint8_t b[16];

	for (size_t i = 0; i < 6; i++)
		b[i] = (uint8_t)(wall_ms >> (40 - 8 * i));
	memcpy(b + 6, random, 10);
	b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));		/* version */
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));		/* variant */
	enc_uuid(b, out);
}

uint64_t enc_uuid7_ms(const char *s)
{
	uint64_t ms = 0;

	if (!enc_uuid_ok(s) || s[14] != '7' || !strchr("89ab", s[19]))
		return 0;
	for (size_t i = 0; i < 13; i++)
		if (!uuid_dash(i))
			ms = ms << 4 | (uint64_t)hex_value(s[i]);
	return ms;
}

/* Of the months before m, 1 to 12, in a year. */
static int64_t days_before(int64_t y, unsigned m)
{
	static const int days[] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
	};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return days[m - 1] + (leap && m > 2);
}

struct utc enc_utc(int64_t seconds)
{
	unsigned s = (unsigned)(seconds % 86400), m = 1;
	int64_t days = seconds / 86400, y = 1970;
	struct utc u;

	if (seconds < 0 || seconds > 253402300799) {
		snprintf(u.s, sizeof(u.s), "%lld", (long long)seconds);
		return u;
	}
	while (days >= days_before(y, 13))
		days -= days_before(y++, 13);
	while (days >= days_before(y, m + 1))
		m++;
	snprintf(u.s, sizeof(u.s), "%04u-%02u-%02uT%02u:%02u:%02uZ",
	         (unsigned)y % 10000, m % 13,
	         (unsigned)(days - days_before(y, m) + 1) % 100, s / 3600 % 24,
	         s / 60 % 60, s % 60);
	return u;
}
