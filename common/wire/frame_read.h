/* frame_read.h - what frame_read.c and frame_update.c have in common. Private to
 * them: others read with frame_read() of frame.h.
 */
#ifndef ALTOCAST_WIRE_FRAME_READ_H
#define ALTOCAST_WIRE_FRAME_READ_H

#include "common/base/diag.h"
#include "common/base/rc.h"
#include "common/wire/frame.h"
#include "common/wire/scan.h"

/* An update, from behind its name to the end of the text. Patches in f are views
 * into what s reads. On failure f holds a part, which frame_free() frees. */
MUST_CHECK enum rc frame_read_update(struct scan *s, struct frame *f,
                                     struct diag *d);

#endif
