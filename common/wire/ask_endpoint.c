#include "common/wire/ask_part.h"

#include <stdlib.h>
#include <string.h>

#define TYPE_LEN 5u		/* "ipv4:", "ipv6:" */
#define ADDR_TEXT_MAX 45u	/* six groups and a dotted quad */

enum rc ask_endpoint_read(const char *text, size_t len,
                          struct ask_endpoint *out)
{
	char net[ADDR_TEXT_MAX + 4];
	struct prefix p;
	enum family f;
	const char *full;

	if (len <= TYPE_LEN || len - TYPE_LEN > ADDR_TEXT_MAX)
		return RC_ESYNTAX;
	if (memcmp(text, "ipv4:", TYPE_LEN) == 0)
		f = FAMILY_IPV4;
	else if (memcmp(text, "ipv6:", TYPE_LEN) == 0)
		f = FAMILY_IPV6;
	else
		return RC_ESYNTAX;

	/* An address is a prefix of full length, and a prefix with a second
	 * length behind it is none. */
	len -= TYPE_LEN;
	memcpy(net, text + TYPE_LEN, len);
	full = f == FAMILY_IPV4 ? "/32" : "/128";
	memcpy(net + len, full, strlen(full));
	len += strlen(full);
	if (prefix_read(net, len, f, &p, NULL) != RC_OK)
		return RC_ESYNTAX;

	out->text = text;
	out->family = (uint8_t)f;
	memcpy(out->addr, p.addr, sizeof(out->addr));
	return RC_OK;
}

enum rc ask_endpoints_read(struct ask_part *p, const char *field,
                           const json_t *list, struct ask_axis *axis)
{
	size_t n = json_array_size(list), len;
	struct index *seen = NULL;
	enum rc rc;

	if (!n)
		return RC_OK;
	rc = index_new(n, &seen);
	axis->endpoint = calloc(n, sizeof(*axis->endpoint));
	if (rc == RC_OK && !axis->endpoint)
		rc = RC_ENOMEM;
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		const char *text = ask_string(list, i, &len);
		bool added;
		uint32_t num;

		if (!text || ask_endpoint_read(text, len,
		                               &axis->endpoint[axis->n])) {
			rc = ask_refuse_value(p->why, field,
			                      json_array_get(list, i),
			                      "an endpoint is one address like "
			                      "\"ipv4:192.0.2.1\" or "
			                      "\"ipv6:2001:db8::1\" (RFC 7285 "
			                      "s10.4)");
			break;
		}
		rc = index_add(seen, text, len, &num, &added);
		if (rc == RC_OK && added)
			axis->n++;
	}
	index_unref(seen);
	return rc;
}
