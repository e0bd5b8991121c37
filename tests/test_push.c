/* Subscribers of one daemon, over real connections on one loop: what they share,
 * and who is below. */
#include "common/service/push.h"

#include "tests/push_stage.h"
#include "tests/suite.h"
#include "tests/world.h"

/* ---- what they share ------------------------------------------------------- */

static void all_get_one_order(void)
{
	start();
	join_many(30);
	run(all_current);
	CU_ASSERT_EQUAL(status_get(st, STATUS_snapshots_sent), 30);
	CU_ASSERT_EQUAL(status_get(st, STATUS_snapshots_encoded), 1);
	CU_ASSERT_EQUAL(ordered, 1);
	CU_ASSERT_EQUAL(client[0].within, 0);
	end();
}

static bool ordered_again(void)
{
	for (size_t i = 0; i < n; i++)
		if (client[i].snapshots != 2)
			return false;
	return true;
}

static void each_head_has_its_own_order(void)
{
	start();
	join_many(30);
	run(all_current);
	world_session(w);
	CU_ASSERT_EQUAL(push_publish(push, w->head, NULL, 0, true, true), RC_OK);
	run(ordered_again);
	CU_ASSERT_EQUAL(status_get(st, STATUS_snapshots_sent), 60);
	CU_ASSERT_EQUAL(status_get(st, STATUS_snapshots_encoded), 2);
	CU_ASSERT_EQUAL(ordered, 2);
	end();
}

/* ---- who is below ---------------------------------------------------------- */

static struct frame_below below(const char *name, uint64_t serial)
{
	struct frame_below b = { .pos = snapshot_state(w->head)->pos };

	b.pos.serial = serial;
	snprintf(b.name, sizeof(b.name), "%s", name);
	return b;
}

static void tell(struct client *c, struct frame_below *list, size_t count)
{
	struct buf b = BUF_INIT(1 << 16);

	frame_ack(&snapshot_state(w->head)->pos, list, count, &b);
	send_buf(c, &b);
}

static bool all_told(void)
{
	struct frame_below out[10];

	return push_below(push, out, 10) == 5;
}

static const struct frame_below *find(const struct frame_below *list,
                                      size_t count, const char *name)
{
	const struct frame_below *found = NULL;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i].name, name) != 0)
			continue;
		CU_ASSERT_PTR_NULL(found);	/* once */
		found = &list[i];
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	return found;
}

static void those_below_are_gathered_each_name_once(void)
{
	struct frame_below out[10], out3[3], one[4], two[3];
	uint64_t head;
	size_t count;

	start();
	join_many(2);
	run(all_current);
	for (int i = 0; i < 8; i++)
		publish_padded();
	run(all_current);
	head = snapshot_state(w->head)->pos.serial;
	one[0] = below("deep", 3);
	one[1] = below("p1", 2);	/* is seen here, at the head */
	one[2] = below("p0", 2);	/* itself */
	one[3] = below("deeper", head + 1);	/* above who feeds it */
	two[0] = below("deep", 5);
	two[1] = below("deeper", 2);
	two[2] = below("x", 1);
	tell(&client[0], one, 4);
	tell(&client[1], two, 3);
	run(all_told);
	count = push_below(push, out, 10);
	CU_ASSERT_EQUAL(find(out, count, "p0")->pos.serial, head);
	CU_ASSERT_EQUAL(find(out, count, "p1")->pos.serial, head);
	CU_ASSERT_EQUAL(find(out, count, "deep")->pos.serial, 5);
	CU_ASSERT_EQUAL(find(out, count, "deeper")->pos.serial, 2);
	CU_ASSERT_EQUAL(out[0].name[0], 'p');	/* direct ones first */
	CU_ASSERT_EQUAL(out[1].name[0], 'p');
	CU_ASSERT_EQUAL(push_below(push, out3, 3), 3);
	CU_ASSERT_EQUAL(push_below(push, out3, 1), 1);
	CU_ASSERT_EQUAL(push_below(push, out3, 0), 0);
	end();
}

#define T(f) { #f, f }

int main(void)
{
	CU_TestInfo tests[] = {
		T(all_get_one_order),
		T(each_head_has_its_own_order),
		T(those_below_are_gathered_each_name_once),
		CU_TEST_INFO_NULL
	};

	return push_suite("push", tests);
}
