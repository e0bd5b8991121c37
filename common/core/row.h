/* row.h - one member of a map: a PID's prefixes, or a source's costs.
 *
 * Each row keeps its canonical text ("name":{...}) and the hash of its leaf, so
 * that a new version serialises and hashes only the rows it touched and shares
 * the others with the version before. A row is the head of a larger block
 * (struct netrow, struct costrow); the block and the text go with the last
 * reference. Fixed once it has its text: any thread may read.
 */
#ifndef ALTOCAST_CORE_ROW_H
#define ALTOCAST_CORE_ROW_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rc.h"
#include "common/core/digest.h"

struct row {
	atomic_uint refs;
	size_t text_len;
	char *text;		/* malloc; NULL until it is sealed */
	uint8_t leaf[SHA256_SIZE];
};

/* A zeroed block of size bytes whose first member is a struct row, with one
 * reference. NULL: out of memory. */
void *row_new(size_t size);
struct row *row_ref(struct row *r);
void row_unref(struct row *r);			/* NULL is fine */

/* Gives the row its text (malloc, taken over also on failure) and hashes the
 * leaf. Only before the row is shared. */
MUST_CHECK enum rc row_seal(struct row *r, struct digest *d, char *text,
                            size_t text_len);

#endif
