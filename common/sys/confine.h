/* confine.h - what a daemon gives up: root, dumps of its memory, the file system.
 *
 * What the kernel keeps by the thread (all but the account) is given up before any
 * thread starts; threads inherit it. The account changes in all of them at once.
 */
#ifndef ALTOCAST_SYS_CONFINE_H
#define ALTOCAST_SYS_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/diag.h"
#include "common/base/rc.h"

struct confine_who {
	char user[33];
	uid_t uid;
	gid_t gid;
};

/* group NULL: that of the account. RC_ENOENT: there is no such account or group.
 * RC_ERULE: it is root. RC_EIO. */
MUST_CHECK enum rc confine_who(const char *user, const char *group,
                               struct confine_who *out, struct diag *d);

/* Nothing it runs can gain rights, its memory is not dumped and not read by
 * others. RC_EIO. */
MUST_CHECK enum rc confine_harden(struct diag *d);

/* What may be written from now on; paths of directories that are there. Reading
 * stays free, what is open stays open, sockets are no files. Nothing can be
 * executed. */
struct confine_paths {
	const char *state;	/* anything below */
	const char *keys;	/* files in it; NULL: none */
	const char *socket;	/* a socket in it, made and removed; NULL: none */
};
/* *version: of the kernel's Landlock; 0: it has none, nothing is confined.
 * RC_ENOENT, RC_EIO: d names the directory. */
MUST_CHECK enum rc confine_files(const struct confine_paths *p, int *version,
                                 struct diag *d);

/* Root takes on the account for a while, so that what it makes belongs to it, and
 * comes back. */
MUST_CHECK enum rc confine_enter(const struct confine_who *who, struct diag *d);
MUST_CHECK enum rc confine_leave(struct diag *d);
/* Gives what root has just made to it: the directory or socket at path itself,
 * never what a link leads to or what somebody has put in its place. RC_ERULE: it
 * is not root's own (any more). RC_EIO. */
MUST_CHECK enum rc confine_give(const struct confine_who *who, const char *path,
                                struct diag *d);
/* A directory in which names are safe: root's, who's or that of who runs this,
 * and not everybody's unless it is sticky. RC_ERULE. RC_ENOENT, RC_EIO. */
MUST_CHECK enum rc confine_dir(const struct confine_who *who, const char *path,
                               struct diag *d);
/* For good, with the groups of the account; that there is no way back is tried. */
MUST_CHECK enum rc confine_drop(const struct confine_who *who, struct diag *d);

#endif
