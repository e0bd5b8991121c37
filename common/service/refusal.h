/* refusal.h - replies that say no: error bodies of RFC 7285 s8.5, kept by no
 * cache. */
#ifndef ALTOCAST_SERVICE_REFUSAL_H
#define ALTOCAST_SERVICE_REFUSAL_H

#include "common/net/http.h"

/* What may be NULL is left out of the body. */
struct refusal {
	unsigned status;
	const char *code;		/* NULL: E_INVALID_FIELD_VALUE, since
					 * RFC 7285 s8.5.2 has none for paths,
					 * methods and headers: to it these are
					 * values of the field that is named */
	const char *field, *value;	/* value: shown in part, what is not
					 * printable ASCII as "?" */
	const char *text;		/* a sentence for people */
	const char *head, *is;		/* one more header; NULL: none */
};

/* NULL: out of memory. */
struct http_reply *refusal_reply(const struct refusal *f);

/* 503 with Retry-After. The error codes of RFC 7285 are for requests; this is no
 * fault of the request, so the body is a sentence for people. */
struct http_reply *refusal_unavailable(unsigned retry_after, const char *text);

#endif
