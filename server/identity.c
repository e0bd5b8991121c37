#include "server/identity.h"

#include <string.h>
#include <sys/random.h>

#include "common/sys/file.h"
#include "common/sys/log.h"

#define SERVICE_FILE_MAX 256

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

enum rc identity_key_path(const struct conf *c, char **out)
{
	const char *set = conf_get_str(c, "signing.key");

	return file_path_join(set ? "" : conf_get_str(c, "state"),
	                      set ? set : "signing.pem", out);
}

enum rc identity_service(const struct conf *c, const char *key_path,
                         const char *held, char service[UUID_TEXT + 1],
                         struct diag *d)
{
	struct buf beside = BUF_INIT(8192);
	enum rc rc;

	buf_printf(&beside, "%s.service", key_path);
	rc = buf_rc(&beside);
	if (rc == RC_OK)
		rc = name_service(buf_str(&beside), conf_get_str(c, "service"),
		                  held, service, d);
	buf_free(&beside);
	return rc;
}
