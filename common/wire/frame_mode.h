/* frame_mode.h - the words for enum frame_mode, in its order: one list for the
 * reader and the writer. Private to frame*.c.
 */
#ifndef ALTOCAST_WIRE_FRAME_MODE_H
#define ALTOCAST_WIRE_FRAME_MODE_H

#define FRAME_MODE_WORDS "current", "delta", "snapshot", "behind"

#endif
