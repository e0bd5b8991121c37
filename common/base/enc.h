/* enc.h - bytes as text and back: hex, base64, base64url, UUID; times as text.
 *
 * Readers are strict, because one value must have one text (a signature covers
 * the text): lower-case hex, padded base64 with zero spare bits (RFC 4648 s3.5),
 * unpadded base64url (RFC 7515 s2), lower-case UUIDs (RFC 9562 s4).
 */
#ifndef ALTOCAST_BASE_ENC_H
#define ALTOCAST_BASE_ENC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/rc.h"

#define UUID_TEXT 36		/* characters, the NUL not counted */

/* out gets 2 * len characters and a NUL. */
void enc_hex(const void *data, size_t len, char *out);
/* Exactly out_len bytes from 2 * out_len characters. RC_ESYNTAX. */
MUST_CHECK enum rc enc_hex_read(const char *s, size_t s_len, void *out,
                                size_t out_len);

void enc_base64(struct buf *dst, const void *data, size_t len);
void enc_base64url(struct buf *dst, const void *data, size_t len);
/* Appends the bytes. RC_ESYNTAX; RC_ELIMIT, RC_ENOMEM from dst. */
MUST_CHECK enum rc enc_base64_read(const char *s, size_t s_len,
                                   struct buf *dst);
MUST_CHECK enum rc enc_base64url_read(const char *s, size_t s_len,
                                      struct buf *dst);

/* Is s (NUL-terminated) a UUID in lower-case text? */
bool enc_uuid_ok(const char *s);
/* The text of 16 bytes; out has UUID_TEXT + 1. */
void enc_uuid(const uint8_t bytes[16], char out[UUID_TEXT + 1]);
/* A UUIDv7 (RFC 9562 s5.7) of this wall time, 10 random bytes given. */
void enc_uuid7(uint64_t wall_ms, const uint8_t random[10],
               char out[UUID_TEXT + 1]);
/* Milliseconds of a UUIDv7's time; 0 when s is no version 7. */
uint64_t enc_uuid7_ms(const char *s);

/* Unix seconds as people read them: "2026-05-01T12:00:00Z" (RFC 3339); beyond the
 * years 1970 to 9999 as the number that they are. */
#define UTC_TEXT 20
struct utc {
	char s[UTC_TEXT + 4];
};
struct utc enc_utc(int64_t seconds);

#endif
