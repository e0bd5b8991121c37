/* file.h - whole files in, whole files out.
 *
 * Reading takes regular files only, up to a ceiling, into memory: a mapping
 * would turn a file that somebody truncates into SIGBUS. Writing goes beside
 * the target and is moved over it, so that a reader sees the old bytes or the
 * new ones, and a crash leaves one of the two. Errors name the path (diag file)
 * and the reason. Any thread; nothing here keeps state but the
 * account of file_account().
 *
 * RC_ENOENT: no such file. RC_EIO: the system said no. RC_ERULE: not a regular
 * file, or permissions too loose. RC_ELIMIT: over the ceiling.
 */
#ifndef ALTOCAST_SYS_FILE_H
#define ALTOCAST_SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/diag.h"

/* What tells one state of a file from another without reading it. */
struct file_stamp {
	uint64_t dev;
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/* RC_ENOENT, RC_EIO; RC_ERULE: not a regular file. Follows links. */
MUST_CHECK enum rc file_stamp_get(const char *path, struct file_stamp *out,
				  struct diag *d);
/* The file open for reading, and its stamp. Never waits: a FIFO in its place is
 * refused, like all that is not regular. The caller closes *fd. Same codes. */
MUST_CHECK enum rc file_open(const char *path, int *fd, struct file_stamp *out,
			     struct diag *d);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

/* The whole file becomes the content of dst, at most max bytes and at most
 * dst->max. Memory is the size of the file, allocated once. RC_EAGAIN: the
 * file changed while it was read. On failure dst is empty. */
MUST_CHECK enum rc file_read(const char *path, size_t max, struct buf *dst,
			     struct diag *d);

/* The same, and the stamp of exactly the bytes that were read. */
MUST_CHECK enum rc file_read_stamp(const char *path, size_t max,
				   struct buf *dst, struct file_stamp *out,
				   struct diag *d);

/* The same for secrets: RC_ERULE when group or others may read or write the
 * file, or when it belongs to somebody else: neither root, nor who runs this, nor
 * the account that it is going to run as. The text says what helps. */
MUST_CHECK enum rc file_read_private(const char *path, size_t max,
				     struct buf *dst, struct diag *d);
/* That account: root's until it is told. */
void file_account(uid_t uid);

/* Writes path whole, in place of what was there. Returns after file and
 * directory are on disk; on failure the old file stands as it was. */
MUST_CHECK enum rc file_replace(const char *path, const void *data, size_t len,
				mode_t mode, struct diag *d);

/* The same, but never over an existing file: RC_EEXIST. */
MUST_CHECK enum rc file_create(const char *path, const void *data, size_t len,
			       mode_t mode, struct diag *d);

/* Makes one directory; one that is there already is fine. RC_ERULE: something
 * else stands there. */
MUST_CHECK enum rc file_mkdir(const char *path, mode_t mode, struct diag *d);

/* dir/rel, or rel alone when it is absolute or dir is "". *out is free()d by
 * the caller. RC_ENOMEM. */
MUST_CHECK enum rc file_path_join(const char *dir, const char *rel, char **out);

/* The directory a path stands in: "a/b" -> "a", "b" -> ".", "/b" -> "/". */
MUST_CHECK enum rc file_path_dir(const char *path, char **out);

#endif
