/* Copies: SQLite's own way of copying a database that is being written. Writes of
 * this process go through the connection that is read from, so SQLite carries them
 * over into the copy and never has to begin again. */
#include "common/sys/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/enc.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/journal_db.h"

#define STEP_PAGES 256		/* 1 MB: some milliseconds */

struct journal_copy {
	struct journal *j;
	char *path;
	sqlite3 *db;
	sqlite3_backup *run;
	uint64_t bytes;
	bool made, whole;
};

static enum rc fail_copy(struct journal_copy *c, struct diag *d, int e)
{
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", c->path);
	return diag_set(d, e == SQLITE_NOMEM ? RC_ENOMEM : RC_EIO,
			"cannot write the copy: %s", sqlite3_errstr(e));
}

static enum rc fail_errno(struct journal_copy *c, struct diag *d)
{
	if (d && !d->text[0])
		snprintf(d->file, sizeof(d->file), "%s", c->path);
	return diag_set(d, RC_EIO, "cannot write the copy: %s",
			strerror(errno));
}

static bool waits(int dir, const char *name)
{
	int64_t now = clock_wall_s();
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_mtim.tv_sec <= now &&
	       st.st_mtim.tv_sec > now - JOURNAL_COPY_WAITS_S;
}

/* What an altoctl that was killed left behind goes; who was just told of a copy has
 * time to open it. How many stay. */
static unsigned sweep(const char *dir)
{
	DIR *all = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	while (all && (e = readdir(all)) != NULL) {
		if (strncmp(e->d_name, JOURNAL_COPY,
			    strlen(JOURNAL_COPY)) != 0)
			continue;
		if (waits(dirfd(all), e->d_name))
			n++;
		else
			unlinkat(dirfd(all), e->d_name, 0);
	}
	if (all)
		closedir(all);
	return n;
}

void journal_copy_tidy(const struct journal *j)
{
	char *dir = NULL;

	if (file_path_dir(j->path, &dir) == RC_OK)
		(void)sweep(dir);
	free(dir);
}

/* A name of its own, so that who was told of one copy never opens another. */
static enum rc make_file(struct journal_copy *c, struct diag *d)
{
	char name[64] = JOURNAL_COPY, *dir = NULL;
	uint8_t random[8];
	enum rc rc = file_path_dir(c->j->path, &dir);
	int fd;

	if (rc != RC_OK)
		return rc;
	if (sweep(dir) >= JOURNAL_COPIES_MAX)
		rc = diag_set(d, RC_EAGAIN, "%d copies have not been taken "
			      "away: try again in a minute",
			      JOURNAL_COPIES_MAX);
	else if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		rc = RC_EIO;
	enc_hex(random, sizeof(random), name + strlen(name));
	if (rc == RC_OK)
		rc = file_path_join(dir, name, &c->path);
	free(dir);
	if (rc != RC_OK)
		return rc;
	fd = open(c->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return fail_errno(c, d);
	c->made = true;
	close(fd);
	return RC_OK;
}

enum rc journal_copy_begin(struct journal *j, struct journal_copy **out,
			   struct diag *d)
{
	struct journal_copy *c = calloc(1, sizeof(*c));
	enum rc rc;
	int e;

	if (!c)
		return RC_ENOMEM;
	c->j = j;
	rc = make_file(c, d);
	if (rc != RC_OK)
		goto out;
	e = sqlite3_open_v2(c->path, &c->db, SQLITE_OPEN_READWRITE |
			    SQLITE_OPEN_NOMUTEX, NULL);
	/* A copy that was not finished is worth nothing: no journal of its own,
	 * and it goes to the disk once, at the end. */
	if (e == SQLITE_OK)
		e = sqlite3_exec(c->db, "PRAGMA journal_mode = OFF;"
				 "PRAGMA synchronous = OFF;"
				 "PRAGMA locking_mode = EXCLUSIVE;", NULL, NULL,
				 NULL);
	if (e == SQLITE_OK) {
		c->run = sqlite3_backup_init(c->db, "main", j->db, "main");
		e = c->run ? SQLITE_OK : sqlite3_errcode(c->db);
	}
	if (e != SQLITE_OK) {
		rc = fail_copy(c, d, e);
		goto out;
	}
	*out = c;
	c = NULL;
out:
	journal_copy_free(c);
	return rc;
}

static enum rc finish(struct journal_copy *c, struct diag *d)
{
	struct stat st;
	int fd, e = sqlite3_backup_finish(c->run);

	c->run = NULL;
	if (e == SQLITE_OK)
		e = sqlite3_close(c->db);
	if (e != SQLITE_OK)
		return fail_copy(c, d, e);
	c->db = NULL;
	fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fsync(fd) != 0 || fstat(fd, &st) != 0) {
		enum rc rc = fail_errno(c, d);

		if (fd >= 0)
			close(fd);
		return rc;
	}
	close(fd);
	c->bytes = (uint64_t)st.st_size;
	c->whole = true;
	return RC_OK;
}

enum rc journal_copy_step(struct journal_copy *c, struct diag *d)
{
	int e;

	if (c->whole)
		return RC_OK;
	if (!c->run || c->j->in_tx)
		return RC_EINVAL;
	e = sqlite3_backup_step(c->run, STEP_PAGES);
	if (e == SQLITE_OK)
		return RC_EAGAIN;
	return e == SQLITE_DONE ? finish(c, d) : fail_copy(c, d, e);
}

const char *journal_copy_path(const struct journal_copy *c)
{
	return c->path;
}

uint64_t journal_copy_bytes(const struct journal_copy *c)
{
	return c->bytes;
}

void journal_copy_free(struct journal_copy *c)
{
	if (!c)
		return;
	if (c->run)
		sqlite3_backup_finish(c->run);
	sqlite3_close(c->db);
	if (c->made && !c->whole)
		unlink(c->path);
	free(c->path);
	free(c);
}
