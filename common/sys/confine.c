#include "common/sys/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAMES_MAX (1u << 20)	/* bytes of an entry of a user or group */

static enum rc fail(struct diag *d, const char *what)
{
	return diag_set(d, RC_EIO, "%s: %s", what, strerror(errno));
}

/* A leak check looks at its threads as a debugger would; this is in a build with
 * a sanitizer alone. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static enum rc no_dumps(struct diag *d)
{
	bool checked = __lsan_do_recoverable_leak_check != NULL;

	if (prctl(PR_SET_DUMPABLE, checked ? 1 : 0, 0, 0, 0) != 0)
		return fail(d, "cannot keep its memory out of dumps");
	return RC_OK;
}

enum rc confine_harden(struct diag *d)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail(d, "cannot give up gaining rights");
	return no_dumps(d);
}

/* ---- the account ----------------------------------------------------------- */

static enum rc find_user(const char *name, struct confine_who *out, char *room,
                         struct diag *d)
{
	struct passwd pw, *found = NULL;
	int e = getpwnam_r(name, &pw, room, NAMES_MAX, &found);

	if (!found && e != 0 && e != ENOENT)
		return diag_set(d, RC_EIO, "user %s: %s", name, strerror(e));
	if (!found)
		return diag_set(d, RC_ENOENT, "there is no user \"%s\"", name);
	if (pw.pw_uid == 0)
		return diag_set(d, RC_ERULE, "%s is root: name an account "
		                "without rights", name);
	out->uid = pw.pw_uid;
	out->gid = pw.pw_gid;
	return RC_OK;
}

static enum rc find_group(const char *name, struct confine_who *out, char *room,
                          struct diag *d)
{
	struct group gr, *found = NULL;
	int e = getgrnam_r(name, &gr, room, NAMES_MAX, &found);

	if (!found && e != 0 && e != ENOENT)
		return diag_set(d, RC_EIO, "group %s: %s", name, strerror(e));
	if (!found)
		return diag_set(d, RC_ENOENT, "there is no group \"%s\"", name);
	out->gid = gr.gr_gid;
	return RC_OK;
}

enum rc confine_who(const char *user, const char *group,
                    struct confine_who *out, struct diag *d)
{
	struct confine_who who = { .uid = 0 };
	char *room = malloc(NAMES_MAX);
	enum rc rc = room ? find_user(user, &who, room, d) : RC_ENOMEM;

	if (rc == RC_OK && group)
		rc = find_group(group, &who, room, d);
	if (rc == RC_OK && who.gid == 0)
		rc = diag_set(d, RC_ERULE, "its group is root's: set group to "
		              "one without rights");
	if (rc == RC_OK) {
		snprintf(who.user, sizeof(who.user), "%s", user);
		*out = who;
	}
	free(room);
	return rc;
}

enum rc confine_enter(const struct confine_who *who, struct diag *d)
{
	if (initgroups(who->user, who->gid) != 0 || setegid(who->gid) != 0 ||
	    seteuid(who->uid) != 0)
		return diag_set(d, RC_EIO, "cannot become %s: %s", who->user,
		                strerror(errno));
	return RC_OK;
}

enum rc confine_leave(struct diag *d)
{
	if (seteuid(0) != 0 || setegid(0) != 0)
		return fail(d, "cannot become root again");
	return RC_OK;
}

static enum rc fail_at(struct diag *d, const char *path, const char *what)
{
	return diag_set(d, errno == ENOENT ? RC_ENOENT : RC_EIO, "%s: %s: %s",
	                path, what, strerror(errno));
}

/* Who may write the directory may have put another's file there under its name:
 * what is given is what was looked at, and a second name shows in the count. */
enum rc confine_give(const struct confine_who *who, const char *path,
                     struct diag *d)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	enum rc rc = RC_OK;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		rc = fail_at(d, path, "cannot look at it");
	else if (st.st_uid != geteuid() ||
	         !(S_ISDIR(st.st_mode) ||
	           (S_ISSOCK(st.st_mode) && st.st_nlink == 1)))
		rc = diag_set(d, RC_ERULE, "%s: something else was put in its "
		              "place", path);
	else if (fchownat(fd, "", who->uid, who->gid, AT_EMPTY_PATH) != 0)
		rc = fail_at(d, path, "cannot give it to the account");
	if (fd >= 0)
		close(fd);
	return rc;
}

enum rc confine_dir(const struct confine_who *who, const char *path,
                    struct diag *d)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return fail_at(d, path, "cannot look at it");
	if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != who->uid)
		return diag_set(d, RC_ERULE, "%s: the directory belongs to "
		                "user %lu, neither root nor who runs this",
		                path, (unsigned long)st.st_uid);
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return diag_set(d, RC_ERULE, "%s: everybody may write the "
		                "directory; chmod o-w it", path);
	return RC_OK;
}

enum rc confine_drop(const struct confine_who *who, struct diag *d)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	if (initgroups(who->user, who->gid) != 0 ||
	    setresgid(who->gid, who->gid, who->gid) != 0 ||
	    setresuid(who->uid, who->uid, who->uid) != 0)
		return diag_set(d, RC_EIO, "cannot become %s: %s", who->user,
		                strerror(errno));
	if (getresuid(&r, &e, &s) != 0 || getresgid(&gr, &ge, &gs) != 0)
		return fail(d, "cannot ask who this is");
	if (r != who->uid || e != who->uid || s != who->uid ||
	    gr != who->gid || ge != who->gid || gs != who->gid ||
	    setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return diag_set(d, RC_EIO, "still has the rights of root");
	return no_dumps(d);		/* another account is another default */
}

/* ---- the file system: Landlock --------------------------------------------- */

/* As in the kernel's landlock.h, which may be older here than the kernel. */
#define LANDLOCK_VERSION	1u	/* landlock_create_ruleset(): asks */
#define LANDLOCK_BENEATH	1	/* landlock_add_rule(): a path_beneath */

#define MAY_EXECUTE		(UINT64_C(1) << 0)
#define MAY_WRITE		(UINT64_C(1) << 1)
#define MAY_REMOVE_DIR		(UINT64_C(1) << 4)
#define MAY_REMOVE_FILE		(UINT64_C(1) << 5)
#define MAY_MAKE_CHAR		(UINT64_C(1) << 6)
#define MAY_MAKE_DIR		(UINT64_C(1) << 7)
#define MAY_MAKE_FILE		(UINT64_C(1) << 8)
#define MAY_MAKE_SOCKET		(UINT64_C(1) << 9)
#define MAY_MAKE_FIFO		(UINT64_C(1) << 10)
#define MAY_MAKE_BLOCK		(UINT64_C(1) << 11)
#define MAY_MAKE_LINK		(UINT64_C(1) << 12)
#define MAY_REFER		(UINT64_C(1) << 13)	/* since version 2 */
#define MAY_TRUNCATE		(UINT64_C(1) << 14)	/* since version 3 */

#define WRITES	(MAY_EXECUTE | MAY_WRITE | MAY_REMOVE_DIR | MAY_REMOVE_FILE | \
	MAY_MAKE_CHAR | MAY_MAKE_DIR | MAY_MAKE_FILE | MAY_MAKE_SOCKET | \
	MAY_MAKE_FIFO | MAY_MAKE_BLOCK | MAY_MAKE_LINK)
#define IN_KEYS	(MAY_WRITE | MAY_REMOVE_FILE | MAY_MAKE_FILE | MAY_TRUNCATE)
#define IN_STATE (IN_KEYS | MAY_REMOVE_DIR | MAY_MAKE_DIR | MAY_MAKE_SOCKET | \
	MAY_REFER)
#define IN_SOCKET (MAY_REMOVE_FILE | MAY_MAKE_SOCKET)

struct ruleset {
	uint64_t files;			/* what is refused without a rule */
};

struct path_beneath {
	uint64_t allowed;
	int32_t dir;
} __attribute__((packed));

/* 0: this kernel has none, or it is switched off. */
static int landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	                 LANDLOCK_VERSION);

	return v > 0 ? (int)v : 0;
}

static enum rc allow(int rules, const char *dir, uint64_t what, struct diag *d)
{
	struct path_beneath rule = { .allowed = what };
	enum rc rc = RC_OK;

	rule.dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.dir < 0)
		return diag_set(d, errno == ENOENT ? RC_ENOENT : RC_EIO,
		                "%s: %s", dir, strerror(errno));
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_BENEATH, &rule,
	            0) != 0)
		rc = diag_set(d, RC_EIO, "cannot keep %s writable: %s", dir,
		              strerror(errno));
	close(rule.dir);
	return rc;
}

static enum rc restrict_to(const struct confine_paths *p, uint64_t handled,
                           struct diag *d)
{
	struct ruleset set = { .files = handled };
	int rules = (int)syscall(SYS_landlock_create_ruleset, &set,
	                         sizeof(set), 0);
	enum rc rc;

	if (rules < 0)
		return fail(d, "cannot confine writing");
	rc = allow(rules, p->state, IN_STATE & handled, d);
	if (rc == RC_OK && p->keys)
		rc = allow(rules, p->keys, IN_KEYS & handled, d);
	if (rc == RC_OK && p->socket)
		rc = allow(rules, p->socket, IN_SOCKET & handled, d);
	if (rc == RC_OK && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
		rc = fail(d, "cannot confine writing");
	close(rules);
	return rc;
}

enum rc confine_files(const struct confine_paths *p, int *version,
                      struct diag *d)
{
	int v = landlock_version();
	uint64_t handled = WRITES;
	enum rc rc = RC_OK;

	if (v >= 2)
		handled |= MAY_REFER;
	if (v >= 3)
		handled |= MAY_TRUNCATE;
	if (v > 0)
		rc = restrict_to(p, handled, d);
	if (rc == RC_OK)
		*version = v;
	return rc;
}
