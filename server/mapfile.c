#include "server/mapfile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/core/costmap.h"
#include "common/wire/netmap_json.h"
#include "common/wire/scan.h"

enum rc mapfile_open(const char *path, uint64_t max, struct mapfile *f,
                     struct diag *d)
{
	enum rc rc;

	*f = (struct mapfile){ .path = path, .fd = -1, .left = max };
	rc = file_open(path, &f->fd, &f->stamp, d);
	if (rc != RC_OK || f->stamp.size <= max)
		return rc;
	close(f->fd);
	return diag_set(d, RC_ELIMIT, "over %llu bytes",
	                (unsigned long long)max);
}

long mapfile_read(void *arg, char *dst, size_t len)
{
	struct mapfile *f = arg;
	ssize_t n;

	if (len > f->left)
		len = (size_t)f->left;
	do
		n = read(f->fd, dst, len);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		f->failed = true;
		return -1;
	}
	f->left -= (uint64_t)n;
	return n;
}

/* The file that is open must still be the one under the name, unchanged. */
enum rc mapfile_close(struct mapfile *f, enum rc rc, struct diag *d)
{
	struct file_stamp after;

	close(f->fd);
	if (rc == RC_OK)
		rc = file_stamp_get(f->path, &after, d);
	if (rc == RC_OK && !file_stamp_equal(&f->stamp, &after))
		rc = diag_set(d, RC_EAGAIN, "changed while it was read");
	return rc;
}

enum rc mapfile_hash(struct digest *digest, const char *path,
                     uint8_t out[SHA256_SIZE], struct diag *d)
{
	char chunk[65536];
	struct mapfile f;
	long n;
	enum rc rc = mapfile_open(path, SOURCE_FILE_MAX, &f, d);

	if (rc != RC_OK)
		return rc;
	digest_start(digest);
	while ((n = mapfile_read(&f, chunk, sizeof(chunk))) > 0)
		digest_add(digest, chunk, (size_t)n);
	rc = digest_end(digest, out);
	if (f.failed)
		rc = diag_set(d, RC_EIO, "%s", strerror(errno));
	return mapfile_close(&f, rc, d);
}

/* Which map is it? The member tells that holds the data. */
static enum rc find_kind(struct scan *s, enum resource_kind *kind)
{
	const char *name;
	size_t len;
	enum rc rc = scan_object(s);

	while (rc == RC_OK && (rc = scan_member(s, &name, &len)) == RC_OK) {
		if (!name)
			return scan_refuse(s, RC_ERULE, "no map: no member "
			                   "network-map, cost-map or "
			                   "property-map (RFC 7285 s11.2.1.6, "
			                   "s11.2.3.6, RFC 9240 s7.6)");
		if (len == 11 && memcmp(name, "network-map", len) == 0) {
			*kind = RESOURCE_NETMAP;
			return RC_OK;
		}
		if (len == 8 && memcmp(name, "cost-map", len) == 0) {
			*kind = RESOURCE_COSTMAP;
			return RC_OK;
		}
		if (len == 12 && memcmp(name, "property-map", len) == 0) {
			*kind = RESOURCE_DOC;
			return RC_OK;
		}
		rc = scan_skip(s);
	}
	return rc;
}

enum rc mapfile_kind(const char *path, enum resource_kind *kind,
                     struct diag *d)
{
	struct scan *scan = NULL;
	struct mapfile f;
	enum rc rc = mapfile_open(path, SOURCE_FILE_MAX, &f, d);

	if (rc != RC_OK)
		return rc;
	rc = scan_new_reader(mapfile_read, &f, d, &scan);
	if (rc == RC_OK)
		rc = find_kind(scan, kind);
	scan_free(scan);
	close(f.fd);
	return rc;
}

enum rc mapfile_slurp(const char *path, struct buf *dst, struct diag *d)
{
	char chunk[65536];
	struct mapfile f;
	long n;
	enum rc rc = mapfile_open(path, dst->max, &f, d);

	if (rc != RC_OK)
		return rc;
	while ((n = mapfile_read(&f, chunk, sizeof(chunk))) > 0)
		buf_add(dst, chunk, (size_t)n);
	rc = buf_rc(dst);
	if (f.failed)
		rc = diag_set(d, RC_EIO, "%s", strerror(errno));
	return mapfile_close(&f, rc, d);
}

/* ---- warnings -------------------------------------------------------------- */

/* RFC 9439 s3.2: what follows the colon of a metric, as in "delay-ow:p99.9". */
static bool is_statistic(const char *s)
{
	static const char *const words[] = {
		"cur", "min", "max", "median", "mean", "stddev", "stdvar"
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return s[0] == 'p' && s[1] &&
	       s[1 + strspn(s + 1, "0123456789.")] == '\0';
}

/* RFC 7285 s10.6.1: registered there, by RFC 9439 or by RFC 9275, or private. */
static bool is_registered(const char *metric)
{
	static const char *const plain[] = { "routingcost", "ane-path" };
	static const char *const measured[] = {
		"delay-ow", "delay-rt", "delay-variation", "lossrate",
		"hopcount", "tput", "bw-residual", "bw-available"
	};
	size_t len = strcspn(metric, ":");

	if (strncmp(metric, "priv:", 5) == 0)
		return true;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(metric, plain[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++)
		if (strlen(measured[i]) == len &&
		    memcmp(metric, measured[i], len) == 0)
			return !metric[len] || is_statistic(metric + len + 1);
	return false;
}

void mapfile_warn(const char *path, const struct map_notes *n,
                  const struct costmap *cost, struct buf *warnings)
{
	const char *metric = cost ? costmap_meta(cost)->metric : "";

	if (n->dropped_members)
		buf_printf(warnings, "%s: %zu member%s not of RFC 7285 dropped, "
		           "the first is \"%s\"\n", path, n->dropped_members,
		           n->dropped_members == 1 ? "" : "s", n->first_dropped);
	if (n->repeats)
		buf_printf(warnings, "%s: %zu prefix%s stood twice in a PID\n",
		           path, n->repeats, n->repeats == 1 ? "" : "es");
	if (cost && !is_registered(metric))
		buf_printf(warnings, "%s: /meta/cost-type/cost-metric: \"%s\" "
		           "is no registered metric: one of one's own is "
		           "\"priv:%s\" (RFC 7285 s10.6.1)\n", path, metric,
		           metric);
}
