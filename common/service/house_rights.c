/* What a daemon gives up on its way up. */
#include "common/service/house_part.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "common/sys/log.h"

static enum rc find_who(struct house_part *p, struct diag *d)
{
	const struct conf *c = p->h->cfg.conf;
	const char *user = conf_get_str(c, "user");
	enum rc rc;

	if (!user) {
		if (geteuid() == 0)
			log_warn(p->h->cfg.role, "runs as root: set user to an "
			         "account without rights");
		return RC_OK;
	}
	rc = confine_who(user, conf_get_str(c, "group"), &p->who, d);
	if (rc != RC_OK || geteuid() == p->who.uid)
		return rc;
	if (geteuid() != 0)
		return diag_set(d, RC_ERULE, "user is %s, and only root can "
		                "become another: start it as root or as %s",
		                user, user);
	p->drops = true;
	return RC_OK;
}

static enum rc make_state(struct house_part *p, struct diag *d)
{
	const char *dir = conf_get_str(p->h->cfg.conf, "state");
	bool there = access(dir, F_OK) == 0;
	enum rc rc = file_mkdir(dir, 0700, d);

	return rc == RC_OK && p->drops && !there ?
	       confine_give(&p->who, dir, d) : rc;
}

/* The directory of a file that is named; *out stays NULL without one. */
static enum rc dir_of(const char *path, char **out)
{
	return path ? file_path_dir(path, out) : RC_OK;
}

/* Names in a directory of which it may replace one can all be replaced. */
static void warn_beside(const struct house_part *p, const char *dir,
                        const char *setting)
{
	const char *file = dir ? conf_below(p->h->cfg.conf, dir) : NULL;

	if (file)
		log_warn(p->h->cfg.role, "%s lies where this daemon may write, "
		         "%s: give %s a directory of its own", file, dir,
		         setting);
}

/* A key is made beside the one there is, and renewed there. */
static enum rc confine(struct house_part *p, struct diag *d)
{
	const struct conf *c = p->h->cfg.conf;
	char *keys = NULL, *sock = NULL;
	struct confine_paths paths = { .state = conf_get_str(c, "state") };
	enum rc rc;
	int version = 0;

	rc = dir_of(p->h->cfg.origin ? conf_get_str(c, "signing.key") : NULL,
	            &keys);
	if (rc == RC_OK)
		rc = dir_of(conf_get_str(c, "admin.socket"), &sock);
	paths.keys = keys;
	paths.socket = sock;
	warn_beside(p, paths.state, "state");
	warn_beside(p, keys, "signing.key");
	if (rc == RC_OK && sock)
		rc = confine_dir(&p->who, sock, d);
	if (rc == RC_OK)
		rc = confine_files(&paths, &version, d);
	if (rc == RC_OK && version == 0)
		log_info(p->h->cfg.role, "this kernel has no Landlock: what it "
		         "may write is not confined");
	free(keys);
	free(sock);
	return rc;
}

enum rc house_confine(struct house_part *p, struct diag *d)
{
	enum rc rc = find_who(p, d);

	if (rc == RC_OK)
		rc = make_state(p, d);
	if (rc == RC_OK)
		rc = confine_harden(d);
	return rc == RC_OK ? confine(p, d) : rc;
}

enum rc house_enter(struct house_part *p, struct diag *d)
{
	return p->drops ? confine_enter(&p->who, d) : RC_OK;
}

enum rc house_leave(struct house_part *p, struct diag *d)
{
	return p->drops ? confine_leave(d) : RC_OK;
}

/* The group of the account may give orders. */
static enum rc give_socket(const struct house_part *p, struct diag *d)
{
	const char *path = conf_get_str(p->h->cfg.conf, "admin.socket");

	return path ? confine_give(&p->who, path, d) : RC_OK;
}

/* What root could read is of no use at the next reload. */
static enum rc try_reading(const struct house_part *p, struct diag *d)
{
	struct house_creds again = { .guard = NULL };
	struct buf why = BUF_INIT(4096);
	struct conf *c = NULL;
	struct diag file = { 0 };
	enum rc rc = conf_again(p->h->cfg.conf, &c, &why);

	if (rc == RC_OK) {
		rc = house_creds_read(c, &again, &file);
		if (rc != RC_OK)
			diag_print(&file, &why);
	}
	if (rc != RC_OK)
		diag_set(d, rc, "user %s cannot read what a reload needs: %.*s",
		         p->who.user, (int)strcspn(buf_str(&why), "\n"),
		         buf_str(&why));
	house_creds_free(&again);
	conf_free(c);
	buf_free(&why);
	return rc;
}

enum rc house_drop(struct house_part *p, struct diag *d)
{
	enum rc rc;

	if (!p->drops)
		return RC_OK;
	rc = give_socket(p, d);
	if (rc == RC_OK)
		rc = confine_drop(&p->who, d);
	if (rc == RC_OK)
		rc = try_reading(p, d);
	if (rc == RC_OK)
		log_info(p->h->cfg.role, "runs as %s", p->who.user);
	return rc;
}
