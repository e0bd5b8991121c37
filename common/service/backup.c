#include "common/service/backup.h"

#include "common/service/member.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"

static void say_error(enum rc rc, const struct diag *d, struct buf *answer)
{
	struct buf why = BUF_INIT(1024);

	diag_print(d, &why);
	log_error("backup", "%s", why.len ? buf_str(&why) : rc_text(rc));
	buf_putc(answer, '{');
	member_str(answer, "error", why.len ? buf_str(&why) : rc_text(rc));
	buf_putc(answer, '}');
	buf_free(&why);
}

bool backup_begin(struct backup *b, struct journal *j, struct ctlsock_req *req,
                  struct buf *answer)
{
	struct diag d = { 0 };
	enum rc rc = b->copy ? diag_set(&d, RC_EAGAIN, "a backup is being made "
	                                "already: try again") : RC_OK;

	if (rc == RC_OK)
		rc = journal_copy_begin(j, &b->copy, &d);
	if (rc != RC_OK) {
		say_error(rc, &d, answer);
		return false;
	}
	b->req = req;
	b->begun_ms = clock_mono_ms();
	return true;
}

bool backup_step(struct backup *b, struct ctlsock_req **req,
                 struct buf *answer)
{
	struct diag d = { 0 };
	enum rc rc = journal_copy_step(b->copy, &d);
	uint64_t ms = clock_mono_ms() - b->begun_ms;

	if (rc == RC_EAGAIN)
		return false;
	if (rc == RC_OK) {
		buf_putc(answer, '{');
		member_str(answer, "path", journal_copy_path(b->copy));
		member_count(answer, "bytes", journal_copy_bytes(b->copy));
		member_count(answer, "ms", ms);
		buf_putc(answer, '}');
		b->tidy_ms = clock_mono_ms() + (JOURNAL_COPY_WAITS_S + 1) * 1000;
		log_info("backup", "copied bytes=%llu ms=%llu",
		         (unsigned long long)journal_copy_bytes(b->copy),
		         (unsigned long long)ms);
	} else {
		say_error(rc, &d, answer);
	}
	*req = b->req;
	backup_end(b);
	return true;
}

void backup_tidy(struct backup *b, const struct journal *j)
{
	if (!b->tidy_ms || clock_mono_ms() < b->tidy_ms)
		return;
	b->tidy_ms = 0;
	journal_copy_tidy(j);
}

void backup_end(struct backup *b)
{
	journal_copy_free(b->copy);
	b->copy = NULL;
	b->req = NULL;
}
