/* vtag.h - names of the ALTO world, and what they may look like.
 *
 * All take text with a length that need not end in NUL. Sizes are in bytes (the
 * alphabets are ASCII) and leave out the NUL. Source: RFC 7285 s10.1 (PID name),
 * s10.2 (resource-id), s10.3 (tag), s10.6.1 (metric), RFC 9274 s3 (mode). A "."
 * is reserved there and refused here.
 */
#ifndef ALTOCAST_CORE_VTAG_H
#define ALTOCAST_CORE_VTAG_H

#include <stdbool.h>
#include <stddef.h>

#define ID_MAX 64		/* PID name, resource-id */
#define TAG_MAX 64
#define METRIC_MAX 32		/* cost metric, cost mode */

#define DIRECTORY_ID ".directory"	/* the IRD's own resource-id */

/* A version tag (RFC 7285 s10.3): equal only byte for byte. */
struct vtag {
	char id[ID_MAX + 1];
	char tag[TAG_MAX + 1];	/* "" when unknown */
};

bool pid_ok(const char *s, size_t len);
bool resource_id_ok(const char *s, size_t len);	/* not DIRECTORY_ID */
bool tag_ok(const char *s, size_t len);		/* 1..64 of %x21-7E */
bool metric_ok(const char *s, size_t len);	/* RFC 9439 allows "." inside */
bool mode_ok(const char *s, size_t len);

#endif
