#include "proxy/contacts.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/net/httpc.h"
#include "common/sys/keyfile.h"
#include "common/wire/ird_json.h"
#include "proxy/settings.h"
#include "proxy/sources.h"

#define HEADER_MAX (KEYFILE_TOKEN_MAX + 16)

struct contacts {
	const struct conf *conf;
	size_t n;
	struct contact at[SOURCES_MAX];
	struct contact origin;		/* its authorization is lent */
	long at_origin;			/* the upstream that it is, or -1 */
};

static enum rc read_token(const char *file, char **out, struct diag *d)
{
	struct buf text = BUF_INIT(HEADER_MAX);
	char *token = NULL;
	enum rc rc;

	if (!file)
		return RC_OK;
	rc = keyfile_token(file, &token, d);
	if (rc != RC_OK)
		return rc;
	buf_printf(&text, "Bearer %s", token);
	*out = buf_take(&text, NULL);
	rc = *out ? RC_OK : RC_ENOMEM;
	keyfile_token_free(token);
	buf_free(&text);
	return rc;
}

/* They are read at each connection; what is wrong is said now. */
static enum rc check_certificate(const struct tls_trust *t, struct diag *d)
{
	struct tls_files files = { .certificate = t->certificate,
	                           .key = t->key };
	struct tls_identity *id = NULL;
	enum rc rc = RC_OK;

	if (t->certificate)
		rc = tls_identity_load(&files, &id, d);
	tls_identity_unref(id);
	return rc;
}

static bool same_token(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

enum rc contacts_reload(struct contacts *c, bool *renewed, struct diag *d)
{
	char *fresh[SOURCES_MAX] = { NULL };
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < c->n; i++)
		rc = check_certificate(&c->at[i].tls, d);
	for (size_t i = 0; rc == RC_OK && i < c->n; i++)
		rc = read_token(conf_list_str(c->conf, "upstream", i,
		                              "token-file"), &fresh[i], d);
	for (size_t i = 0; i < c->n; i++) {
		char *old = c->at[i].authorization;

		*renewed |= rc == RC_OK && !same_token(old, fresh[i]);
		if (rc == RC_OK)
			c->at[i].authorization = fresh[i];
		keyfile_token_free(rc == RC_OK ? old : fresh[i]);
	}
	c->origin.authorization = c->at_origin >= 0 ?
		c->at[c->at_origin].authorization : NULL;
	return rc;
}

static void fill(const struct conf *c, size_t i, struct contact *to)
{
	to->directory = conf_list_str(c, "upstream", i, "directory");
	to->push = conf_list_str(c, "upstream", i, "push");
	to->pull = strcmp(conf_list_str(c, "upstream", i, "mode"), "pull") == 0;
	to->body_max = (size_t)conf_list_int(c, "upstream", i, "body");
	to->tls.ca_file = conf_list_str(c, "upstream", i, "tls.ca");
	to->tls.pin = conf_list_str(c, "upstream", i, "tls.pin");
	to->tls.certificate = conf_list_str(c, "upstream", i,
	                                    "tls.certificate");
	to->tls.key = conf_list_str(c, "upstream", i, "tls.key");
}

static void fill_origin(struct contacts *c)
{
	const char *uri = conf_get_str(c->conf, "origin");

	if (!uri)
		uri = c->at[0].directory;
	c->at_origin = -1;
	for (size_t i = c->n; i > 0; i--)
		if (httpc_same_origin(uri, c->at[i - 1].directory))
			c->at_origin = (long)i - 1;
	c->origin = c->at[c->at_origin >= 0 ? c->at_origin : 0];
	c->origin.directory = uri;
	if (c->at_origin >= 0)
		return;
	c->origin.tls = (struct tls_trust){ .ca_file = c->at[0].tls.ca_file };
}

enum rc contacts_new(const struct conf *conf, struct contacts **out,
                     struct diag *d)
{
	struct contacts *c = calloc(1, sizeof(*c));
	bool renewed = false;
	enum rc rc;

	if (!c)
		return RC_ENOMEM;
	c->conf = conf;
	c->n = conf_list_count(conf, "upstream");
	for (size_t i = 0; i < c->n; i++)
		fill(conf, i, &c->at[i]);
	fill_origin(c);
	rc = contacts_reload(c, &renewed, d);
	if (rc == RC_OK)
		*out = c;
	else
		contacts_free(c);
	return rc;
}

void contacts_free(struct contacts *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		keyfile_token_free(c->at[i].authorization);
	free(c);
}

size_t contacts_count(const struct contacts *c)
{
	return c->n;
}

const struct contact *contacts_at(const struct contacts *c, size_t i)
{
	return &c->at[i];
}

const char *contacts_push_refused(const struct contact *who, const char *uri)
{
	bool tls = strncmp(uri, "wss://", 6) == 0;

	if (strlen(uri) > IRD_URI_MAX || !(tls ||
	    strncmp(uri, "ws://", 5) == 0))
		return "no push URI";
	if (uri_on_loopback(uri) && !uri_on_loopback(who->directory))
		return "loopback, of that host alone: whoever runs it has to "
		       "set push.listen, push.public-uri and push.tls there";
	if (!tls && strncmp(who->directory, "http://", 7) != 0)
		return "not TLS, which the directory is: whoever runs it has "
		       "to set push.tls there, and push.public-uri to wss://";
	if (!httpc_same_host(uri, who->directory))
		return "another host than the directory's; if it is right, "
		       "write upstream.push";
	return NULL;
}

const struct contact *contacts_origin(const struct contacts *c)
{
	return &c->origin;
}

bool contacts_origin_proven(const struct contacts *c)
{
	return strncmp(c->origin.directory, "https://", 8) == 0 ||
	       uri_on_loopback(c->origin.directory);
}

bool contacts_all_at_origin(const struct contacts *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!httpc_same_origin(c->origin.directory,
		                       c->at[i].directory))
			return false;
	return contacts_origin_proven(c);
}
