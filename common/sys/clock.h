/* clock.h - the two clocks, and what each is for.
 *
 * Timers use the monotonic clock only. The wall clock decides nothing but the
 * validity of signatures and what is shown to people. Any thread.
 */
#ifndef ALTOCAST_SYS_CLOCK_H
#define ALTOCAST_SYS_CLOCK_H

#include <stdint.h>

/* Milliseconds since some start; never goes back. */
uint64_t clock_mono_ms(void);

/* Since 1970-01-01 UTC; may jump either way. */
int64_t clock_wall_s(void);
int64_t clock_wall_ms(void);

#endif
