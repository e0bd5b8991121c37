#include "server/identity.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/sys/file.h"
#include "common/sys/keyfile.h"
#include "common/sys/log.h"

#define SERVICE_FILE_MAX 256

static enum rc load_key(const char *path, const char *state, bool may_make,
                        struct sign_key **key, struct diag *d)
{
	struct diag why = { 0 };
	enum rc rc = keyfile_load(path, key, &why);

	if (rc == RC_ENOENT && !may_make)
		return diag_set(d, rc, "the journal in %s was signed with a "
		                "key that is not at %s: put the key back, or "
		                "start with an empty state directory", state,
		                path);
	if (rc == RC_ENOENT) {
		diag_clear(&why);
		rc = keyfile_make(path, key, &why);
		if (rc == RC_OK)
			log_info("key", "made %s thumbprint=%s", path,
			         sign_key_public(*key)->id);
	}
	if (rc != RC_OK)
		*d = why;
	return rc;
}

/* RC_ENOENT: there is no such file. */
static enum rc read_service(const char *path, char out[UUID_TEXT + 1],
                            struct diag *d)
{
	struct buf text = BUF_INIT(SERVICE_FILE_MAX);
	enum rc rc = file_read(path, SERVICE_FILE_MAX, &text, d);
	char *p = text.data;

	if (rc == RC_OK) {
		p[strcspn(p, "\r\n")] = '\0';
		if (enc_uuid_ok(p))
			memcpy(out, p, UUID_TEXT + 1);
		else
			rc = diag_set(d, RC_ERULE, "not a UUID");
	}
	buf_free(&text);
	return rc;
}

static enum rc make_service(const char *path, char out[UUID_TEXT + 1],
                            struct diag *d)
{
	char line[UUID_TEXT + 2];
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return RC_EIO;
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);	/* version 4 */
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	enc_uuid(bytes, out);
	memcpy(line, out, UUID_TEXT);
	memcpy(line + UUID_TEXT, "\n", 2);
	log_info("service", "made %s id=%s", path, out);
	return file_create(path, line, UUID_TEXT + 1, 0644, d);
}

static enum rc name_service(const char *path, const char *set,
                            const char *held, char out[UUID_TEXT + 1],
                            struct diag *d)
{
	struct diag why = { 0 };
	enum rc rc;

	if (held && set && strcmp(set, held) != 0)
		return diag_set(d, RC_ERULE, "service is set to %s, the journal "
		                "holds service %s: another service needs "
		                "another state directory", set, held);
	if (held || set) {
		memcpy(out, held ? held : set, UUID_TEXT + 1);
		return RC_OK;
	}
	rc = read_service(path, out, &why);
	if (rc == RC_ENOENT) {
		diag_clear(&why);
		rc = make_service(path, out, &why);
	}
	if (rc != RC_OK)
		*d = why;
	return rc;
}

enum rc identity_load(const struct conf *c, const char *held,
                      struct sign_key **key, char service[UUID_TEXT + 1],
                      struct diag *d)
{
	const char *state = conf_get_str(c, "state");
	const char *set = conf_get_str(c, "signing.key");
	struct buf beside = BUF_INIT(8192);
	char *path = NULL;
	enum rc rc = file_path_join(set ? "" : state,
	                            set ? set : "signing.pem", &path);

	if (rc != RC_OK)
		return rc;
	rc = load_key(path, state, !held, key, d);
	buf_printf(&beside, "%s.service", path);
	if (rc == RC_OK)
		rc = buf_rc(&beside);
	if (rc == RC_OK)
		rc = name_service(buf_str(&beside), conf_get_str(c, "service"),
		                  held, service, d);
	buf_free(&beside);
	free(path);
	return rc;
}
