/* ctl_order.h - what the commands that change something print of the answer: what
 * happened, and what is to be done next. */
#ifndef ALTOCAST_CLIENT_CTL_ORDER_H
#define ALTOCAST_CLIENT_CTL_ORDER_H

#include <jansson.h>

void ctl_key_list(const json_t *answer);
void ctl_key_next(const json_t *answer);
void ctl_key_retire(const json_t *answer);
void ctl_session_new(const json_t *answer);
void ctl_backup(const json_t *answer);
void ctl_drain(const json_t *answer);
void ctl_moved(const json_t *answer);		/* trust, resync */

#endif
