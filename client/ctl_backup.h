/* ctl_backup.h - from the copy that a daemon made beside its journal to the file
 * that the operator named. */
#ifndef ALTOCAST_CLIENT_CTL_BACKUP_H
#define ALTOCAST_CLIENT_CTL_BACKUP_H

#include <jansson.h>

/* Before the daemon is asked: a file is made beside it, mode 0600, which gets its
 * name when it is whole; one that is there is not touched. EXIT_DONE with *fd, or
 * the exit status, with the reason said. */
int ctl_backup_open(const char *file, int *fd);

/* Moves the copy that the answer names into file and says so in the answer.
 * EXIT_DONE, or the exit status, with the reason said. */
int ctl_backup_take(json_t *answer, const char *file, int fd);

/* Closes fd; not done: nothing is left, nor when a signal ends it before (SIGKILL
 * leaves what stands beside the file). */
void ctl_backup_end(int fd, int status);

#endif
