#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"

#define ROUNDS_MAX 99
#define WORKS_MAX 16

static double clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double peak_mb(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_maxrss / 1024;
}

void sample_resume(struct sample *s)
{
	s->peak_mb -= peak_mb();
	s->wall_ms -= clock_ms(CLOCK_MONOTONIC);
	s->cpu_ms -= clock_ms(CLOCK_PROCESS_CPUTIME_ID);
}

void sample_start(struct sample *s)
{
	s->peak_mb = s->wall_ms = s->cpu_ms = 0;
	sample_resume(s);
}

void sample_stop(struct sample *s)
{
	s->cpu_ms += clock_ms(CLOCK_PROCESS_CPUTIME_ID);
	s->wall_ms += clock_ms(CLOCK_MONOTONIC);
	s->peak_mb += peak_mb();
}

static int run_one(const struct work *w, const void *arg, struct sample *out)
{
	struct sample s = { 0 };
	int fd[2], status;
	pid_t pid;

	if (pipe(fd))
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		if (w->run(arg, &s) ||
		    write(fd[1], &s, sizeof(s)) != (ssize_t)sizeof(s))
			_exit(1);
		_exit(0);
	}
	close(fd[1]);
	if (read(fd[0], out, sizeof(*out)) != (ssize_t)sizeof(*out))
		*out = s;
	close(fd[0]);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int double_cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Of the double that lies at this offset in each sample. */
static double median(const struct sample *all, size_t n, size_t offset)
{
	double v[ROUNDS_MAX];

	for (size_t i = 0; i < n; i++)
		memcpy(&v[i], (const char *)&all[i] + offset, sizeof(v[i]));
	qsort(v, n, sizeof(v[0]), double_cmp);
	return v[n / 2];
}

int sample_run(struct work *works, size_t n, const void *arg, size_t rounds)
{
	struct sample all[WORKS_MAX][ROUNDS_MAX];

	if (rounds < 1 || rounds > ROUNDS_MAX || n > WORKS_MAX)
		return -1;
	for (size_t i = 0; i < rounds; i++)
		for (size_t k = 0; k < n; k++)
			if (run_one(&works[k], arg, &all[k][i]))
				return -1;
	for (size_t k = 0; k < n; k++) {
		struct sample *m = &works[k].median;

		*m = all[k][0];
		m->cpu_ms = median(all[k], rounds,
		                   offsetof(struct sample, cpu_ms));
		m->wall_ms = median(all[k], rounds,
		                    offsetof(struct sample, wall_ms));
		m->peak_mb = median(all[k], rounds,
		                    offsetof(struct sample, peak_mb));
	}
	return 0;
}
