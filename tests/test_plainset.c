/* The maps of a server that signs nothing: what is taken, what goes together. */
#include "proxy/plainset.h"

#include <stdbool.h>

#include "common/wire/ird_json.h"
#include "common/wire/json.h"
#include "tests/suite.h"

#define AT "http://127.0.0.1:1/alto/"
#define NET "\"media-type\":\"application/alto-networkmap+json\",\"uri\":"
#define COST "\"media-type\":\"application/alto-costmap+json\",\"uri\":"

static const char directory[] = "{\"meta\":{\"cost-types\":{},"
	"\"default-alto-network-map\":\"net\"},\"resources\":{"
	"\"cost\":{" COST "\"c\"},\"net\":{" NET "\"" AT "n\"},"
	"\"less\":{" COST "\"f\",\"accepts\":"
	"\"application/alto-costmapfilter+json\"},"
	"\"far\":{" COST "\"https://127.0.0.1:1/far\"}}}";

static struct plainset *set;
static struct diag why;
static const struct plainset_times times = { 1000, 2000 };

static struct plainset_body body_of(const char *text)
{
	return (struct plainset_body){ text, strlen(text), "\"e1\"" };
}

static enum rc take_directory(const char *text, struct buf *notes)
{
	const struct plainset_body body = body_of(text);

	diag_clear(&why);
	return plainset_directory(set, AT, &body, notes, &why);
}

static enum rc take(size_t i, const char *text)
{
	const struct plainset_body body = body_of(text);

	diag_clear(&why);
	return plainset_take(set, i, &body, NULL, &why);
}

static enum rc take_net(const char *tag, const char *prefix)
{
	char text[400];

	snprintf(text, sizeof(text), "{\"meta\":{\"vtag\":{\"resource-id\":"
	         "\"net\",\"tag\":\"%s\"}},\"network-map\":{\"a\":{\"ipv4\":"
	         "[\"0.0.0.0/0\",\"%s\"],\"ipv6\":[\"::/0\"]},\"b\":{\"ipv4\":"
	         "[\"10.0.0.0/8\"]}}}", tag, prefix);
	return take(0, text);
}

static enum rc take_cost(size_t i, const char *tag, const char *dst)
{
	char text[400];

	snprintf(text, sizeof(text), "{\"meta\":{\"cost-type\":{\"cost-mode\":"
	         "\"numerical\",\"cost-metric\":\"routingcost\"},"
	         "\"dependent-vtags\":[{\"resource-id\":\"net\",\"tag\":\"%s\"}]"
	         "},\"cost-map\":{\"a\":{\"%s\":7}}}", tag, dst);
	return take(i, text);
}

static enum rc seal(struct snapshot *held, struct snapshot **out)
{
	diag_clear(&why);
	return plainset_seal(set, held, &times, out, &why);
}

static void begin(void)
{
	set = NULL;
	CU_ASSERT_EQUAL_FATAL(plainset_new(&set), RC_OK);
	CU_ASSERT_EQUAL_FATAL(take_directory(directory, NULL), RC_OK);
}

/* Of both maps, at serial 1. */
static struct snapshot *begin_whole(void)
{
	struct snapshot *s = NULL;

	begin();
	CU_ASSERT_EQUAL_FATAL(take_net("t1", "10.1.0.0/16"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(take_cost(1, "t1", "b"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal(NULL, &s), RC_OK);
	return s;
}

static void end(struct snapshot *s)
{
	snapshot_unref(s);
	plainset_free(set);
	plainset_free(NULL);
	CU_ASSERT_EQUAL(snapshots_alive(), 0);
}

static const char *tag_of(struct snapshot *s, const char *id)
{
	return resource_name(snapshot_get(s, id))->tag;
}

/* ---- the directory --------------------------------------------------------- */

static void maps_to_get_at_its_origin_are_taken(void)
{
	struct buf notes = BUF_INIT(1000);

	begin();
	CU_ASSERT_EQUAL_FATAL(plainset_count(set), 2);
	CU_ASSERT_STRING_EQUAL(plainset_at(set, 0).id, "net");
	CU_ASSERT_STRING_EQUAL(plainset_at(set, 0).uri, AT "n");
	CU_ASSERT_STRING_EQUAL(plainset_at(set, 1).id, "cost");
	CU_ASSERT_STRING_EQUAL(plainset_at(set, 1).uri, AT "c");
	CU_ASSERT_PTR_NULL(plainset_at(set, 0).etag);
	CU_ASSERT_STRING_EQUAL(plainset_etag(set), "\"e1\"");
	CU_ASSERT_EQUAL(take_directory(directory, &notes), RC_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&notes), "\"far\""));
	CU_ASSERT_PTR_NULL(strstr(buf_str(&notes), "default"));
	buf_free(&notes);
	end(NULL);
}

static void a_map_that_is_listed_as_before_stays_as_it_was_read(void)
{
	struct snapshot *s = begin_whole(), *again = NULL;

	CU_ASSERT_EQUAL(take_directory(directory, NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(plainset_at(set, 1).etag, "\"e1\"");
	CU_ASSERT_EQUAL(take_directory(
		"{\"meta\":{},\"resources\":{\"cost\":{" COST "\"c2\"},"
		"\"net\":{" NET "\"n\"}}}", NULL), RC_OK);
	CU_ASSERT_STRING_EQUAL(plainset_at(set, 0).etag, "\"e1\"");
	CU_ASSERT_PTR_NULL(plainset_at(set, 1).etag);
	CU_ASSERT_EQUAL(seal(s, &again), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "\"cost\" was not given"));
	end(s);
}

static void a_directory_that_is_none_changes_nothing(void)
{
	struct snapshot *s = begin_whole(), *again = NULL;

	CU_ASSERT_EQUAL(take_directory("{\"meta\":{}}", NULL), RC_ESYNTAX);
	CU_ASSERT_EQUAL(take_directory("<html>", NULL), RC_ESYNTAX);
	CU_ASSERT_EQUAL(plainset_count(set), 2);
	CU_ASSERT_EQUAL_FATAL(seal(s, &again), RC_OK);
	snapshot_unref(again);
	end(s);
}

static void without_a_network_map_there_is_nothing(void)
{
	struct snapshot *s = NULL;

	begin();
	CU_ASSERT_EQUAL(take_directory("{\"meta\":{},\"resources\":{}}", NULL),
	                RC_OK);
	CU_ASSERT_EQUAL(seal(NULL, &s), RC_ENOENT);
	end(NULL);
}

static void the_default_is_the_one_named_else_the_first(void)
{
	static const char form[] = "{\"meta\":{\"default-alto-network-map\":"
		"\"%s\"},\"resources\":{\"m\":{" NET "\"n\"},\"z\":{" NET
		"\"n\"}}}";
	struct buf notes = BUF_INIT(1000);
	char text[400];

	begin();
	snprintf(text, sizeof(text), form, "z");
	CU_ASSERT_EQUAL(take_directory(text, &notes), RC_OK);
	CU_ASSERT_EQUAL(notes.len, 0);
	snprintf(text, sizeof(text), form, "nobody");
	CU_ASSERT_EQUAL(take_directory(text, &notes), RC_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&notes), "\"m\" is taken"));
	buf_free(&notes);
	end(NULL);
}

/* ---- what goes together ---------------------------------------------------- */

static void a_snapshot_is_unsigned_and_of_one_moment(void)
{
	struct snapshot *s = begin_whole();
	const struct state *st = snapshot_state(s);
	const struct costmeta *meta;

	CU_ASSERT_FALSE(snapshot_signed(s));
	CU_ASSERT_EQUAL(st->pos.serial, 1);
	CU_ASSERT_EQUAL(st->created, 1000);
	CU_ASSERT_EQUAL(st->expires, 2000);
	CU_ASSERT_EQUAL(st->text[0] | st->signature[0] | st->key[0], 0);
	CU_ASSERT_EQUAL_FATAL(snapshot_count(s), 3);
	meta = costmap_meta(resource_cost(snapshot_get(s, "cost")));
	CU_ASSERT_STRING_EQUAL(meta->net.tag, tag_of(s, "net"));
	CU_ASSERT_STRING_NOT_EQUAL(meta->net.tag, "t1");
	end(s);
}

static void its_directory_is_ours_without_redistribution(void)
{
	struct snapshot *s = begin_whole();
	struct resource *r = snapshot_get(s, DIRECTORY_ID);
	struct ird *ird = NULL;
	char text[8192];
	size_t len = resource_read(r, 0, text, sizeof(text));

	CU_ASSERT_EQUAL(ird_read(text, len, &ird, NULL), RC_ESYNTAX);
	CU_ASSERT_EQUAL_FATAL(ird_read_any(text, len, true, &ird, NULL), RC_OK);
	CU_ASSERT_EQUAL(ird_redistribution(ird)->service[0], '\0');
	CU_ASSERT_STRING_EQUAL(ird_uri(ird, "cost"), "maps/cost");
	CU_ASSERT_PTR_NOT_NULL(ird_uri(ird, "net:endpoint-cost"));
	CU_ASSERT_PTR_NULL(ird_uri(ird, "far"));
	ird_free(ird);
	end(s);
}

static void what_has_not_changed_is_the_same(void)
{
	struct snapshot *s = begin_whole(), *again = NULL;
	const struct plainset_times later = { 1500, 2500 };

	/* Another spelling, another tag, the same content. */
	CU_ASSERT_EQUAL(take_net("t2", "10.1.0.0/16"), RC_OK);
	CU_ASSERT_EQUAL(take_cost(1, "t2", "b"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(plainset_seal(set, s, &later, &again, &why),
	                      RC_OK);
	CU_ASSERT_EQUAL(snapshot_state(again)->pos.serial, 1);
	CU_ASSERT_EQUAL(snapshot_state(again)->created, 1500);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_PTR_EQUAL(snapshot_at(again, i), snapshot_at(s, i));
	snapshot_unref(again);
	end(s);
}

static void a_change_has_the_next_serial_and_leaves_the_rest(void)
{
	struct snapshot *s = begin_whole(), *next = NULL;

	CU_ASSERT_EQUAL(take_cost(1, "t1", "a"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal(s, &next), RC_OK);
	CU_ASSERT_EQUAL(snapshot_state(next)->pos.serial, 2);
	CU_ASSERT_EQUAL(snapshot_map_serial(next), 2);
	CU_ASSERT_PTR_EQUAL(snapshot_get(next, "net"), snapshot_get(s, "net"));
	CU_ASSERT_PTR_EQUAL(snapshot_get(next, DIRECTORY_ID),
	                    snapshot_get(s, DIRECTORY_ID));
	CU_ASSERT_STRING_NOT_EQUAL(tag_of(next, "cost"), tag_of(s, "cost"));
	snapshot_unref(next);
	end(s);
}

static void a_mixed_set_is_no_set(void)
{
	struct snapshot *s = begin_whole(), *next = NULL;

	CU_ASSERT_EQUAL(take_net("t2", "10.2.0.0/16"), RC_OK);
	CU_ASSERT_EQUAL(seal(s, &next), RC_EGAP);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "\"t1\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "\"t2\""));
	CU_ASSERT_EQUAL(take_cost(1, "t2", "b"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(seal(s, &next), RC_OK);
	CU_ASSERT_STRING_NOT_EQUAL(tag_of(next, "cost"), tag_of(s, "cost"));
	snapshot_unref(next);
	end(s);
}

/* ---- what breaks a rule ---------------------------------------------------- */

static void a_broken_body_leaves_the_map_as_it_was(void)
{
	struct snapshot *s = begin_whole(), *again = NULL;

	CU_ASSERT_EQUAL(take(0, "{"), RC_ESYNTAX);
	CU_ASSERT_EQUAL(take_net("t1", "10.0.0.1/16"), RC_ERULE);
	CU_ASSERT_EQUAL(take_net("", "10.1.0.0/16"), RC_ERULE);
	CU_ASSERT_EQUAL(take(0, "{\"meta\":{\"vtag\":{\"resource-id\":\"other\","
		"\"tag\":\"t1\"}},\"network-map\":{\"a\":{\"ipv4\":"
		"[\"0.0.0.0/0\"],\"ipv6\":[\"::/0\"]}}}"), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "\"other\""));
	CU_ASSERT_EQUAL(take_cost(1, "", "b"), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "s11.2.3.6"));
	CU_ASSERT_EQUAL(take(1, "[]"), RC_ESYNTAX);
	CU_ASSERT_EQUAL_FATAL(seal(s, &again), RC_OK);
	CU_ASSERT_EQUAL(snapshot_state(again)->pos.serial, 1);
	snapshot_unref(again);
	end(s);
}

static void a_pid_that_is_nowhere_is_refused(void)
{
	struct snapshot *s = begin_whole(), *next = NULL;

	CU_ASSERT_EQUAL(take_cost(1, "t1", "nowhere"), RC_OK);
	CU_ASSERT_EQUAL(seal(s, &next), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "nowhere"));
	end(s);
}

static void two_maps_of_one_cost_type_are_refused(void)
{
	struct snapshot *s = begin_whole(), *next = NULL;

	CU_ASSERT_EQUAL(take_directory("{\"meta\":{},\"resources\":{"
		"\"cost\":{" COST "\"c\"},\"twin\":{" COST "\"t\"},"
		"\"net\":{" NET "\"n\"}}}", NULL), RC_OK);
	CU_ASSERT_EQUAL(take_cost(2, "t1", "b"), RC_OK);
	CU_ASSERT_EQUAL(seal(s, &next), RC_EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "\"twin\""));
	end(s);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "maps to GET at its origin are taken",
		  maps_to_get_at_its_origin_are_taken },
		{ "a map that is listed as before stays as it was read",
		  a_map_that_is_listed_as_before_stays_as_it_was_read },
		{ "a directory that is none changes nothing",
		  a_directory_that_is_none_changes_nothing },
		{ "without a network map there is nothing",
		  without_a_network_map_there_is_nothing },
		{ "the default is the one named, else the first",
		  the_default_is_the_one_named_else_the_first },
		{ "a snapshot is unsigned and of one moment",
		  a_snapshot_is_unsigned_and_of_one_moment },
		{ "its directory is ours, without redistribution",
		  its_directory_is_ours_without_redistribution },
		{ "what has not changed is the same",
		  what_has_not_changed_is_the_same },
		{ "a change has the next serial and leaves the rest",
		  a_change_has_the_next_serial_and_leaves_the_rest },
		{ "a mixed set is no set", a_mixed_set_is_no_set },
		{ "a broken body leaves the map as it was",
		  a_broken_body_leaves_the_map_as_it_was },
		{ "a PID that is nowhere is refused",
		  a_pid_that_is_nowhere_is_refused },
		{ "two maps of one cost type are refused",
		  two_maps_of_one_cost_type_are_refused },
		CU_TEST_INFO_NULL
	};

	return suite_run("plainset", tests);
}
