#include "common/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum rc fail(struct diag *d, const char *path, enum rc rc,
		    const char *text)
{
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", path);
	return diag_set(d, rc, "%s", text);
}

static enum rc fail_errno(struct diag *d, const char *path, const char *what)
{
	int e = errno;
	enum rc rc = e == ENOENT || e == ENOTDIR ? RC_ENOENT :
		     e == ENOMEM ? RC_ENOMEM : RC_EIO;

	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", path);
	return diag_set(d, rc, "%s: %s", what, strerror(e));
}

static void stamp_from(struct file_stamp *out, const struct stat *st)
{
	*out = (struct file_stamp){
		.dev = (uint64_t)st->st_dev,
		.ino = (uint64_t)st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 +
			    st->st_mtim.tv_nsec,
		.ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 +
			    st->st_ctim.tv_nsec,
	};
}

enum rc file_stamp_get(const char *path, struct file_stamp *out,
		       struct diag *d)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return fail_errno(d, path, "cannot look at it");
	if (!S_ISREG(st.st_mode))
		return fail(d, path, RC_ERULE, "not a regular file");
	stamp_from(out, &st);
	return RC_OK;
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* Non-blocking, so that a FIFO in place of the file cannot hang the caller. */
static enum rc open_regular(const char *path, int *out, struct stat *st,
			    struct diag *d)
{
	enum rc rc = RC_OK;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return fail_errno(d, path, "cannot open");
	if (fstat(fd, st) != 0)
		rc = fail_errno(d, path, "cannot look at it");
	else if (!S_ISREG(st->st_mode))
		rc = fail(d, path, RC_ERULE, "not a regular file");
	if (rc != RC_OK) {
		close(fd);
		return rc;
	}
	*out = fd;
	return RC_OK;
}

enum rc file_open(const char *path, int *fd, struct file_stamp *out,
		  struct diag *d)
{
	struct stat st;
	enum rc rc = open_regular(path, fd, &st, d);

	if (rc == RC_OK)
		stamp_from(out, &st);
	return rc;
}

/* One byte more than stat said is asked for: a file that grew shows itself. */
static enum rc read_exactly(int fd, const char *path, size_t size,
			    struct buf *dst, struct diag *d)
{
	char extra;
	char *p;
	size_t at = 0;

	buf_free(dst);			/* so that room is the exact size */
	p = buf_room(dst, size);
	if (!p)
		return fail(d, path, buf_rc(dst), rc_text(buf_rc(dst)));
	while (at < size) {
		ssize_t n = pread(fd, p + at, size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(d, path, "cannot read");
		if (n == 0)
			return fail(d, path, RC_EAGAIN,
				    "became shorter while it was read");
		at += (size_t)n;
	}
	if (pread(fd, &extra, 1, (off_t)at) == 1)
		return fail(d, path, RC_EAGAIN, "grew while it was read");
	buf_used(dst, size);
	return RC_OK;
}

static enum rc read_open(int fd, const char *path, const struct stat *before,
			 struct buf *dst, struct diag *d)
{
	struct file_stamp a, b;
	struct stat after;
	enum rc rc;

	rc = read_exactly(fd, path, (size_t)before->st_size, dst, d);
	if (rc != RC_OK)
		return rc;
	if (fstat(fd, &after) != 0)
		return fail_errno(d, path, "cannot look at it");
	stamp_from(&a, before);
	stamp_from(&b, &after);
	b.ctime_ns = a.ctime_ns;	/* a new link or mode is no change */
	if (!file_stamp_equal(&a, &b))
		return fail(d, path, RC_EAGAIN, "changed while it was read");
	return RC_OK;
}

static _Atomic uid_t account;		/* 0, root, until it is told */

void file_account(uid_t uid)
{
	atomic_store(&account, uid);
}

/* Its owner can read it, or let others, whatever the mode is now. */
static enum rc check_private(const char *path, const struct stat *st,
			     struct diag *d)
{
	bool ours = st->st_uid == 0 || st->st_uid == geteuid() ||
		    st->st_uid == atomic_load(&account);

	if (ours && (st->st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return RC_OK;
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", path);
	if (!ours)
		return diag_set(d, RC_ERULE, "a secret of user %lu, neither "
				"root nor who runs this; chown it",
				(unsigned long)st->st_uid);
	return diag_set(d, RC_ERULE, "mode %04o lets others at a secret; "
			"chmod 600 it", (unsigned)(st->st_mode & 07777));
}

static enum rc read_file(const char *path, size_t max, struct buf *dst,
			 struct stat *st, bool secret, struct diag *d)
{
	size_t limit = max < dst->max ? max : dst->max;
	enum rc rc;
	int fd = -1;

	rc = open_regular(path, &fd, st, d);
	if (rc != RC_OK)
		goto out;
	if (secret) {
		rc = check_private(path, st, d);
		if (rc != RC_OK)
			goto out;
	}
	if ((uintmax_t)st->st_size > limit) {
		if (d && !d->text[0])
			snprintf(d->file, sizeof(d->file), "%s", path);
		rc = diag_set(d, RC_ELIMIT, "%jd bytes; the limit is %zu",
			      (intmax_t)st->st_size, limit);
		goto out;
	}
	rc = read_open(fd, path, st, dst, d);
out:
	if (fd >= 0)
		close(fd);
	if (rc != RC_OK)
		buf_free(dst);
	return rc;
}

enum rc file_read(const char *path, size_t max, struct buf *dst,
		  struct diag *d)
{
	struct stat st;

	return read_file(path, max, dst, &st, false, d);
}

enum rc file_read_stamp(const char *path, size_t max, struct buf *dst,
			struct file_stamp *out, struct diag *d)
{
	struct stat st;
	enum rc rc = read_file(path, max, dst, &st, false, d);

	if (rc == RC_OK)
		stamp_from(out, &st);
	return rc;
}

enum rc file_read_private(const char *path, size_t max, struct buf *dst,
			  struct diag *d)
{
	struct stat st;

	return read_file(path, max, dst, &st, true, d);
}

static bool write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static enum rc sync_dir(const char *path, struct diag *d)
{
	enum rc rc = RC_OK;
	char *dir = NULL;
	int fd;

	if (file_path_dir(path, &dir) != RC_OK)
		return fail(d, path, RC_ENOMEM, "out of memory");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		rc = fail_errno(d, dir, "cannot sync the directory");
	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

/* A file beside path with the bytes on disk; tmp is its name. */
static enum rc write_beside(char *tmp, const char *path, const void *data,
			    size_t len, mode_t mode, struct diag *d)
{
	enum rc rc = RC_OK;
	int fd = mkostemp(tmp, O_CLOEXEC);

	if (fd < 0)
		return fail_errno(d, path, "cannot write beside it");
	if (fchmod(fd, mode) != 0 || !write_all(fd, data, len) ||
	    fsync(fd) != 0)
		rc = fail_errno(d, path, "cannot write");
	if (close(fd) != 0 && rc == RC_OK)
		rc = fail_errno(d, path, "cannot write");
	if (rc != RC_OK)
		unlink(tmp);
	return rc;
}

static enum rc temp_name(const char *path, char **out)
{
	static const char tail[] = ".XXXXXX";
	size_t len = strlen(path);
	char *tmp = malloc(len + sizeof(tail));

	if (!tmp)
		return RC_ENOMEM;
	memcpy(tmp, path, len);
	memcpy(tmp + len, tail, sizeof(tail));
	*out = tmp;
	return RC_OK;
}

/* A link to the finished file, unlike a rename, fails where a file is. */
static enum rc put_new(const char *tmp, const char *path, struct diag *d)
{
	enum rc rc = RC_OK;

	if (link(tmp, path) != 0)
		rc = errno == EEXIST ?
			fail(d, path, RC_EEXIST, "is there already") :
			fail_errno(d, path, "cannot create");
	unlink(tmp);
	return rc;
}

static enum rc put_over(const char *tmp, const char *path, struct diag *d)
{
	enum rc rc;

	if (rename(tmp, path) == 0)
		return RC_OK;
	rc = fail_errno(d, path, "cannot replace");
	unlink(tmp);
	return rc;
}

static enum rc write_file(const char *path, const void *data, size_t len,
			  mode_t mode, bool over, struct diag *d)
{
	char *tmp = NULL;
	enum rc rc;

	rc = temp_name(path, &tmp);
	if (rc != RC_OK)
		return fail(d, path, rc, rc_text(rc));
	rc = write_beside(tmp, path, data, len, mode, d);
	if (rc != RC_OK)
		goto out;
	rc = over ? put_over(tmp, path, d) : put_new(tmp, path, d);
	if (rc == RC_OK)
		rc = sync_dir(path, d);
out:
	free(tmp);
	return rc;
}

enum rc file_replace(const char *path, const void *data, size_t len,
		     mode_t mode, struct diag *d)
{
	return write_file(path, data, len, mode, true, d);
}

enum rc file_create(const char *path, const void *data, size_t len,
		    mode_t mode, struct diag *d)
{
	return write_file(path, data, len, mode, false, d);
}

enum rc file_mkdir(const char *path, mode_t mode, struct diag *d)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return sync_dir(path, d);
	if (errno != EEXIST)
		return fail_errno(d, path, "cannot make the directory");
	if (stat(path, &st) != 0)
		return fail_errno(d, path, "cannot look at it");
	if (!S_ISDIR(st.st_mode))
		return fail(d, path, RC_ERULE, "not a directory");
	return RC_OK;
}

enum rc file_path_join(const char *dir, const char *rel, char **out)
{
	size_t a = strlen(dir), b = strlen(rel);
	bool slash = a && dir[a - 1] != '/';
	char *p;

	if (rel[0] == '/')
		a = 0, slash = false;
	p = malloc(a + slash + b + 1);
	if (!p)
		return RC_ENOMEM;
	memcpy(p, dir, a);
	if (slash)
		p[a++] = '/';
	memcpy(p + a, rel, b + 1);
	*out = p;
	return RC_OK;
}

enum rc file_path_dir(const char *path, char **out)
{
	const char *last = strrchr(path, '/');
	char *p;

	if (!last)
		p = strdup(".");
	else if (last == path)
		p = strdup("/");
	else
		p = strndup(path, (size_t)(last - path));
	if (!p)
		return RC_ENOMEM;
	*out = p;
	return RC_OK;
}
