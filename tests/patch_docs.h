/* patch_docs.h - documents and patches, for the tests of jsonpatch. */
#ifndef ALTOCAST_TESTS_PATCH_DOCS_H
#define ALTOCAST_TESTS_PATCH_DOCS_H

#include "common/wire/json.h"

json_t *parse(const char *text);
/* Which case it is, for the log. */
void say(const char *what, const json_t *doc, const json_t *patch);
/* A file of the hostile inputs; NULL when they are not there. Names that occur
 * twice are let through, for a case in it wants just that. */
json_t *suite_file(const char *name);

#endif
