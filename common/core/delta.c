#include "common/core/delta.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 8u		/* a power of two */
#define DELTA_NAMES_MAX (2 * COSTMAP_PIDS_MAX)	/* those before and after */

/* Room in the array *v, which holds n, for one more. There is room for a power
 * of two always, so that the count alone tells when the array is full. */
static enum rc room(void **v, size_t n, size_t size)
{
	void *p;

	if (n >= DELTA_OPS_MAX)
		return RC_ELIMIT;
	if (n != 0 && (n < FIRST_ROOM || (n & (n - 1)) != 0))
		return RC_OK;
	p = realloc(*v, (n == 0 ? FIRST_ROOM : 2 * n) * size);
	if (!p)
		return RC_ENOMEM;
	*v = p;
	return RC_OK;
}

void net_delta_free(struct net_delta *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++) {
		free(d->pids[i].pid);
		for (int f = 0; f < 2; f++) {
			free(d->pids[i].family[f].removed);
			free(d->pids[i].family[f].place);
			free(d->pids[i].family[f].put);
		}
	}
	free(d->pids);
	free(d);
}

void cost_delta_free(struct cost_delta *d)
{
	if (!d)
		return;
	index_unref(d->names);
	free(d->rows);
	free(d->cells);
	free(d);
}

struct pid_delta *net_delta_add(struct net_delta *d, const char *pid,
                                size_t len)
{
	void *v = d->pids;
	struct pid_delta *p;
	char *name;
	enum rc rc;

	rc = room(&v, d->n, sizeof(*d->pids));
	d->pids = v;
	if (rc != RC_OK)
		return NULL;
	name = strndup(pid, len);
	if (!name)
		return NULL;
	p = &d->pids[d->n++];
	*p = (struct pid_delta){ .pid = name };
	return p;
}

enum rc family_delta_remove(struct family_delta *f, uint32_t place)
{
	void *v = f->removed;
	enum rc rc;

	rc = room(&v, f->n_removed, sizeof(*f->removed));
	f->removed = v;
	if (rc == RC_OK)
		f->removed[f->n_removed++] = place;
	return rc;
}

enum rc family_delta_put(struct family_delta *f, uint32_t place,
                         const struct prefix *p)
{
	void *v = f->put, *w = f->place;
	enum rc rc;

	rc = room(&v, f->n_put, sizeof(*f->put));
	f->put = v;
	if (rc == RC_OK && f->how == FAMILY_EDIT) {
		rc = room(&w, f->n_put, sizeof(*f->place));
		f->place = w;
	}
	if (rc != RC_OK)
		return rc;
	if (f->how == FAMILY_EDIT)
		f->place[f->n_put] = place;
	f->put[f->n_put++] = *p;
	return RC_OK;
}

static enum rc number_of(struct cost_delta *d, const char *name, size_t len,
                         uint32_t *num)
{
	enum rc rc = RC_OK;

	if (!d->names)
		rc = index_new(DELTA_NAMES_MAX, &d->names);
	if (rc == RC_OK)
		rc = index_add(d->names, name, len, num, NULL);
	return rc;
}

enum rc cost_delta_row(struct cost_delta *d, const char *src, size_t len,
                       bool gone)
{
	void *v = d->rows;
	uint32_t num;
	enum rc rc;

	rc = number_of(d, src, len, &num);
	if (rc != RC_OK)
		return rc;
	rc = room(&v, d->n_rows, sizeof(*d->rows));
	d->rows = v;
	if (rc == RC_OK)
		d->rows[d->n_rows++] = (struct row_delta){
			.src = num, .gone = gone, .first = d->n_cells
		};
	return rc;
}

enum rc cost_delta_cell(struct cost_delta *d, const char *dst, size_t len,
                        double cost)
{
	void *v = d->cells;
	uint32_t num;
	enum rc rc;

	if (d->n_rows == 0 || d->rows[d->n_rows - 1].gone)
		return RC_EINVAL;
	rc = number_of(d, dst, len, &num);
	if (rc != RC_OK)
		return rc;
	rc = room(&v, d->n_cells, sizeof(*d->cells));
	d->cells = v;
	if (rc == RC_OK) {
		d->cells[d->n_cells++] = (struct cell_delta){ num, cost };
		d->rows[d->n_rows - 1].n++;
	}
	return rc;
}
