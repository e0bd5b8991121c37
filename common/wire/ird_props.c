#include "common/wire/ird_props.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/prefix.h"
#include "common/wire/json.h"

static bool add_text(json_t *list, const char *text)
{
	return json_array_append_new(list, json_string(text)) == 0;
}

static enum rc load_doc(const struct resource *r, json_t **out)
{
	size_t size = (size_t)resource_size(r);
	char *text;
	enum rc rc;

	if (resource_size(r) > JSON_SMALL_MAX)
		return RC_ELIMIT;
	text = malloc(size + 1);
	if (!text)
		return RC_ENOMEM;
	rc = json_read(text, resource_read(r, 0, text, size), JSON_SMALL_MAX,
	               out, NULL);
	free(text);
	return rc;
}

/* The properties that entities of a domain ("ipv4:") have: an array, ascending.
 * NULL: out of memory. */
static json_t *domain_props(json_t *entities, const char *domain)
{
	json_t *seen = json_object(), *list = json_array();
	json_t *props, *v;
	const char *entity, *name;
	bool ok = seen && list;

	json_object_foreach(entities, entity, props) {
		if (strncmp(entity, domain, strlen(domain)) != 0)
			continue;
		json_object_foreach(props, name, v) {
			if (ok && !json_object_get(seen, name))
				ok = json_object_set_new(seen, name,
				                         json_true()) == 0 &&
				     add_text(list, name);
		}
	}
	json_decref(seen);
	if (!ok) {
		json_decref(list);
		list = NULL;
	}
	return list;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *ird_sorted(const json_t *list)
{
	size_t n = json_array_size(list);
	const char **at = calloc(n ? n : 1, sizeof(*at));
	json_t *out = json_array();
	bool ok = at && out;

	for (size_t i = 0; ok && i < n; i++)
		at[i] = json_string_value(json_array_get(list, i));
	if (ok)
		qsort(at, n, sizeof(*at), by_text);
	for (size_t i = 0; ok && i < n; i++)
		ok = add_text(out, at[i]);
	free(at);
	if (!ok) {
		json_decref(out);
		out = NULL;
	}
	return out;
}

enum rc ird_mappings(const struct resource *map, json_t **out)
{
	json_t *doc = NULL, *list, *mappings = json_object();
	char domain[8];
	enum rc rc = load_doc(map, &doc);

	for (enum family f = FAMILY_IPV4; f <= FAMILY_IPV6 && rc == RC_OK;
	     f++) {
		snprintf(domain, sizeof(domain), "%s:", family_name(f));
		list = domain_props(json_object_get(doc, "property-map"),
		                    domain);
		if (!list || !mappings || (json_array_size(list) &&
		    json_object_set_new(mappings, family_name(f),
		                        ird_sorted(list)) != 0))
			rc = RC_ENOMEM;
		json_decref(list);
	}
	json_decref(doc);
	if (rc == RC_OK)
		*out = mappings;
	else
		json_decref(mappings);
	return rc;
}
