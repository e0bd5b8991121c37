/* conf_text.h - what the text of a value must look like, and what it means.
 *
 * Knows types and texts only: no file, no table. Ranges are judged elsewhere.
 */
#ifndef ALTOCAST_SYS_CONF_TEXT_H
#define ALTOCAST_SYS_CONF_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/rc.h"
#include "common/sys/conf_row.h"

struct conf_listen {
	struct sockaddr_storage addr;
	socklen_t len;
	uint16_t port;		/* host order; 0: a free one */
	bool wildcard;		/* 0.0.0.0 or [::] */
	bool loopback;		/* 127.0.0.0/8 or [::1] */
};

/* "address:port" or "[v6 address]:port". RC_ERULE: it is not. */
MUST_CHECK enum rc conf_listen_parse(const char *text,
				     struct conf_listen *out);

/* Type INT, SIZE, SECONDS or BOOL (1, 0); false: not of that type, or more
 * than 64 bits. */
bool conf_text_number(enum conf_type type, const char *s, int64_t *out);

/* http, https, ws or wss, with a host and without a user or a fragment. */
bool conf_text_is_uri(const char *s);

bool conf_text_has_control(const char *s);

/* For messages and the manual: "a whole number", "true or false", ... */
const char *conf_text_wants(enum conf_type type);

#endif
