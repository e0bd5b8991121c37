/* Cost maps as JSON: what is taken, what is refused and how that is said. */
#include "common/wire/costmap_json.h"

#include <math.h>
#include <stdbool.h>

#include "tests/suite.h"

#define META "\"meta\":{\"cost-type\":{\"cost-metric\":\"routingcost\"," \
	"\"cost-mode\":\"numerical\"},\"dependent-vtags\":[{" \
	"\"resource-id\":\"net\",\"tag\":\"t1\"}]}"
#define ORDINAL "\"meta\":{\"cost-type\":{\"cost-metric\":\"routingcost\"," \
	"\"cost-mode\":\"ordinal\"},\"dependent-vtags\":[{" \
	"\"resource-id\":\"net\",\"tag\":\"t1\"}]}"

static struct vtag stated;
static struct map_notes notes;
static struct diag diag;

static enum rc read_doc(const char *text, const struct costmap *base,
                        struct costmap **out)
{
	struct scan *s = NULL;
	enum rc rc;

	diag_clear(&diag);
	CU_ASSERT_EQUAL_FATAL(scan_new_bytes(text, strlen(text), &diag, &s),
	                      RC_OK);
	rc = costmap_json_read(s, base, out, &stated, &notes);
	scan_free(s);
	return rc;
}

static struct costmap *map_of(const char *text)
{
	struct costmap *m = NULL;

	CU_ASSERT_EQUAL_FATAL(read_doc(text, NULL, &m), RC_OK);
	return m;
}

static void refused(enum rc rc, const char *text, const char *says)
{
	struct costmap *m = NULL;

	CU_ASSERT_EQUAL(read_doc(text, NULL, &m), rc);
	CU_ASSERT_PTR_NULL(m);
	CU_ASSERT_PTR_NOT_NULL(strstr(diag.text, says));
	if (!strstr(diag.text, says))
		printf("\n    %s\n    says: %s\n", text, diag.text);
}

/* The canonical members of all rows, a line each. */
static void expect_rows(const struct costmap *m, const char *want)
{
	struct index *names = costmap_names(m);
	struct buf text = BUF_INIT(1u << 20);

	for (uint32_t i = 0; i < index_count(names); i++) {
		if (!costmap_row(m, i))
			continue;
		costmap_json_row(index_name(names, i), costmap_row(m, i),
		                 names, &text);
		buf_putc(&text, '\n');
	}
	CU_ASSERT_STRING_EQUAL(buf_str(&text), want);
	buf_free(&text);
}

static void the_example_of_the_rfc_is_read(void)
{
	struct costmap *m = map_of("{" META ", \"cost-map\" : {\n"
		"\"PID1\": { \"PID1\": 1, \"PID2\": 5, \"PID3\": 10 },\n"
		"\"PID3\": { \"PID1\": 20, \"PID2\": 15 },\n"
		"\"PID2\": { \"PID1\": 5, \"PID2\": 1.0, \"PID3\": 150e-1 }"
		"}}\n");

	CU_ASSERT_EQUAL(costmap_cells(m), 8);
	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->metric, "routingcost");
	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->mode, "numerical");
	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->net.id, "net");
	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->net.tag, "t1");
	CU_ASSERT_STRING_EQUAL(stated.id, "");
	CU_ASSERT_STRING_EQUAL(stated.tag, "");
	CU_ASSERT_EQUAL(notes.dropped_members, 0);
	expect_rows(m, "\"PID1\":{\"PID1\":1,\"PID2\":5,\"PID3\":10}\n"
	               "\"PID2\":{\"PID1\":5,\"PID2\":1,\"PID3\":15}\n"
	               "\"PID3\":{\"PID1\":20,\"PID2\":15}\n");
	costmap_unref(m);
}

static void meta_may_come_last(void)
{
	struct costmap *m = map_of("{\"cost-map\":{\"b\":{\"a\":2.5}},"
	                           META "}");

	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->net.id, "net");
	expect_rows(m, "\"b\":{\"a\":2.5}\n");
	costmap_unref(m);
}

static void sources_without_costs_are_left_out(void)
{
	struct costmap *m = map_of("{" META ",\"cost-map\":{\"x\":{},\"a\":{"
	                           "\"b\":-0},\"b\":{}}}");

	CU_ASSERT_EQUAL(costmap_pids(m), 2);
	expect_rows(m, "\"a\":{\"b\":0}\n");
	costmap_unref(m);
	m = map_of("{" META ",\"cost-map\":{}}");
	CU_ASSERT_EQUAL(costmap_pids(m), 0);
	costmap_unref(m);
}

static void escapes_in_names_are_the_same_names(void)
{
	struct costmap *m = map_of("{" META ",\"cost\\u002dmap\":{\"\\u0061\":"
		"{\"\\u0062\":1,\"c\":2},\"b\":{\"b\":1,\"\\u0063\":3}}}");

	expect_rows(m, "\"a\":{\"b\":1,\"c\":2}\n\"b\":{\"b\":1,\"c\":3}\n");
	costmap_unref(m);
}

static void its_own_vtag_is_handed_out(void)
{
	struct costmap *m = map_of("{\"meta\":{\"vtag\":{\"resource-id\":"
		"\"cost-routing\",\"tag\":\"c7\"},\"cost-type\":{\"cost-mode\":"
		"\"numerical\",\"cost-metric\":\"delay-ow:p99.9\"},"
		"\"dependent-vtags\":[{\"resource-id\":\"net\"}]},"
		"\"cost-map\":{}}");

	CU_ASSERT_STRING_EQUAL(stated.id, "cost-routing");
	CU_ASSERT_STRING_EQUAL(stated.tag, "c7");
	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->metric, "delay-ow:p99.9");
	CU_ASSERT_STRING_EQUAL(costmap_meta(m)->net.tag, "");
	costmap_unref(m);
}

static void unknown_members_are_dropped_and_noted(void)
{
	struct costmap *m = map_of("{\"note\\n\":[{}],\"meta\":{\"by\":null,"
		"\"cost-type\":{\"cost-mode\":\"numerical\",\"description\":"
		"\"x\",\"cost-metric\":\"routingcost\"},\"dependent-vtags\":"
		"[{\"resource-id\":\"net\",\"tag\":\"\",\"x\":1}]},"
		"\"cost-map\":{\"a\":{\"a\":1}}}");

	CU_ASSERT_EQUAL(notes.dropped_members, 4);
	CU_ASSERT_STRING_EQUAL(notes.first_dropped, "note?");
	CU_ASSERT_EQUAL(costmap_cells(m), 1);
	costmap_unref(m);
}

static void what_a_cost_map_must_have_is_asked_for(void)
{
	refused(RC_ERULE, "{\"cost-map\":{}}", "\"meta\" is not there");
	refused(RC_ERULE, "{" META "}", "\"cost-map\" is not there");
	refused(RC_ERULE, "{\"meta\":{},\"cost-map\":{}}",
	        "without \"cost-type\"");
	refused(RC_ERULE, "{\"meta\":{\"cost-type\":{\"cost-metric\":"
	        "\"routingcost\"}}}", "without \"cost-mode\"");
	refused(RC_ERULE, "{\"meta\":{\"cost-type\":{\"cost-mode\":"
	        "\"ordinal\"}}}", "without \"cost-metric\"");
	refused(RC_ERULE, "{\"meta\":{\"cost-type\":{\"cost-metric\":"
	        "\"routingcost\",\"cost-mode\":\"ordinal\"}}}",
	        "without \"dependent-vtags\"");
	refused(RC_ERULE, "{\"meta\":{\"dependent-vtags\":[]}}",
	        "exactly one network map");
	refused(RC_ERULE, "{\"meta\":{\"dependent-vtags\":[{\"resource-id\":"
	        "\"a\"},{\"resource-id\":\"b\"}]}}",
	        "exactly one network map");
	refused(RC_ERULE, "{\"meta\":{\"dependent-vtags\":[{\"tag\":\"t\"}]}}",
	        "without \"resource-id\"");
}

static void names_that_are_none_are_refused_where_they_stand(void)
{
	refused(RC_ERULE, "{" META ",\n\"cost-map\":{\"a b\":{}}}",
	        "this source is no PID name");
	CU_ASSERT_EQUAL(diag.line, 2);
	CU_ASSERT_STRING_EQUAL(diag.pointer, "/cost-map/a b");
	refused(RC_ERULE, "{" META ",\n\"cost-map\":{\"a\":{\n\"b.c\":1}}}",
	        "this destination is no PID name");
	CU_ASSERT_EQUAL(diag.line, 3);
	CU_ASSERT_STRING_EQUAL(diag.pointer, "/cost-map/a/b.c");
	refused(RC_ERULE, "{" META ",\"cost-map\":{\"a\":{\"12345678901234567"
	        "89012345678901234567890123456789012345678901234567890\":1}}}",
	        "no PID name");
	refused(RC_ERULE, "{" META ",\"cost-map\":{\"a\":{\"\":1}}}",
	        "no PID name");
	refused(RC_ERULE, "{\"meta\":{\"vtag\":{\"resource-id\":\"a.b\"}}}",
	        "not a resource-id");
	refused(RC_ERULE, "{\"meta\":{\"vtag\":{\"tag\":\"a b\"}}}",
	        "not a tag");
	refused(RC_ERULE, "{\"meta\":{\"cost-type\":{\"cost-metric\":"
	        "\"priv:\"}}}", "not a cost metric");
}

static void twice_the_same_name_is_refused(void)
{
	refused(RC_ERULE, "{" META "," META ",\"cost-map\":{}}",
	        "\"meta\" stands here twice");
	refused(RC_ERULE, "{\"cost-map\":{},\"cost-map\":{}," META "}",
	        "\"cost-map\" stands here twice");
	refused(RC_ERULE, "{" META ",\"cost-map\":{\"a\":{},\"a\":{}}}",
	        "this source stands here twice");
	refused(RC_ERULE, "{" META ",\"cost-map\":{\"a\":{\"b\":1,\"c\":1,"
	        "\"b\":1}}}", "this destination stands here twice");
	CU_ASSERT_STRING_EQUAL(diag.pointer, "/cost-map/a/b");
	refused(RC_ERULE, "{\"meta\":{\"vtag\":{\"resource-id\":\"a\"},"
	        "\"vtag\":{\"resource-id\":\"a\"}}}", "\"vtag\" stands here");
	refused(RC_ERULE, "{\"meta\":{\"vtag\":{\"tag\":\"a\",\"tag\":\"a\"}}}",
	        "\"tag\" stands here twice");
	refused(RC_ERULE, "{\"meta\":{\"cost-type\":{\"cost-mode\":\"ordinal\","
	        "\"cost-mode\":\"ordinal\"}}}", "\"cost-mode\" stands here");
}

/* Also among rows that follow the order of the row before. */
static void a_repeat_in_a_later_row_is_refused_too(void)
{
	refused(RC_ERULE, "{" META ",\"cost-map\":{"
	        "\"aaaaaaaaaaaa\":{\"aaaaaaaaaaaa\":1.25,\"bbbbbbbbbbbb\":2},"
	        "\"bbbbbbbbbbbb\":{\"aaaaaaaaaaaa\":1.25,\"bbbbbbbbbbbb\":2,"
	        "\"aaaaaaaaaaaa\":1.5,\"bbbbbbbbbbbb\":2}}}",
	        "this destination stands here twice");
	CU_ASSERT_STRING_EQUAL(diag.pointer,
	                       "/cost-map/bbbbbbbbbbbb/aaaaaaaaaaaa");
}

static void modes_without_single_numbers_are_refused(void)
{
	refused(RC_ERULE, "{\"meta\":{\"cost-type\":{\"cost-mode\":\"array\"",
	        "cost mode \"array\"");
	refused(RC_ERULE, "{\"meta\":{\"cost-type\":{\"cost-mode\":\"x y\"",
	        "not a cost mode");
}

static void ordinal_costs_are_integers_from_zero_up(void)
{
	struct costmap *m = map_of("{" ORDINAL ",\"cost-map\":{\"a\":{"
	                           "\"a\":0,\"b\":3e0}}}");

	expect_rows(m, "\"a\":{\"a\":0,\"b\":3}\n");
	costmap_unref(m);
	refused(RC_ERULE, "{" ORDINAL ",\"cost-map\":{\"a\":{\n\"b\":1.5}}}",
	        "integers from 0 up");
	CU_ASSERT_EQUAL(diag.line, 2);
	CU_ASSERT_STRING_EQUAL(diag.pointer, "/cost-map/a/b");
	refused(RC_ERULE, "{\"cost-map\":{\"a\":{\"b\":-1}}," ORDINAL "}",
	        "cost from \"a\" to \"b\" is -1");
}

static void what_is_no_number_is_no_cost(void)
{
	refused(RC_ESYNTAX, "{" META ",\"cost-map\":{\"a\":{\"b\":\"1\"}}}",
	        "expected a number");
	CU_ASSERT_STRING_EQUAL(diag.pointer, "/cost-map/a/b");
	refused(RC_ESYNTAX, "{" META ",\"cost-map\":{\"a\":{\"b\":null}}}",
	        "expected a number");
	refused(RC_ESYNTAX, "{" META ",\"cost-map\":{\"a\":{\"b\":NaN}}}",
	        "NaN");
	refused(RC_ERULE, "{" META ",\"cost-map\":{\"a\":{\"b\":1e400}}}",
	        "beyond");
	refused(RC_ESYNTAX, "{" META ",\"cost-map\":{\"a\":{\"b\":1",
	        "end");
	refused(RC_ESYNTAX, "{" META ",\"cost-map\":{}} x", "expected the end");
}

/* One byte a time, so that every token lies across two reads. */
static long drip(void *arg, char *dst, size_t len)
{
	const char **text = arg;

	if (!len || !**text)
		return 0;
	*dst = *(*text)++;
	return 1;
}

static void a_document_may_come_in_drops(void)
{
	const char *text = "{\"cost-map\":{\"aa\":{\"aa\":1.25,\"bb\":2},"
	                   "\"bb\":{\"aa\":3,\"bb\":1e-7}}," META "}";
	struct costmap *m = NULL;
	struct scan *s = NULL;

	CU_ASSERT_EQUAL_FATAL(scan_new_reader(drip, &text, &diag, &s), RC_OK);
	CU_ASSERT_EQUAL_FATAL(costmap_json_read(s, NULL, &m, &stated, &notes),
	                      RC_OK);
	expect_rows(m, "\"aa\":{\"aa\":1.25,\"bb\":2}\n"
	               "\"bb\":{\"aa\":3,\"bb\":1e-7}\n");
	scan_free(s);
	costmap_unref(m);
}

/* Many rows in several spellings: what is written reads back as the same. */
static void a_large_map_survives_the_way_out_and_in(void)
{
	struct buf text = BUF_INIT(8u << 20);
	struct costmap *m, *again = NULL;
	enum { N = 150 };

	buf_puts(&text, "{" META ",\"cost-map\":{");
	for (int i = 0; i < N; i++) {
		buf_printf(&text, "%s\"pid-%d\":{", i ? "," : "", i);
		for (int k = 0; k < N; k++)
			buf_printf(&text, "%s\"pid-%d\":%s%.*f",
			           k ? i % 3 ? "," : ",\n  " : "", k,
			           i % 2 ? " " : "", (i + k) % 9,
			           (i * 7919 + k * 104729) % 99991 / 37.0);
		buf_puts(&text, "}");
	}
	buf_puts(&text, "}}");
	m = map_of(buf_str(&text));
	CU_ASSERT_EQUAL(costmap_cells(m), N * N);

	buf_clear(&text);
	buf_puts(&text, "{" META ",\"cost-map\":{");
	for (uint32_t i = 0; i < N; i++) {
		if (i)
			buf_putc(&text, ',');
		costmap_json_row(index_name(costmap_names(m), i),
		                 costmap_row(m, i), costmap_names(m), &text);
	}
	buf_puts(&text, "}}");
	CU_ASSERT_EQUAL_FATAL(read_doc(buf_str(&text), m, &again), RC_OK);
	for (uint32_t i = 0; i < N; i++)
		CU_ASSERT_PTR_EQUAL(costmap_row(m, i), costmap_row(again, i));
	costmap_unref(m);
	costmap_unref(again);
	buf_free(&text);
}

/* 4 rows of 8 cells, one of which is odd; gap stands before each of the others. */
static enum rc read_odd(const char *gap, int at, const char *odd,
                        const struct costmap *base, struct costmap **out)
{
	struct buf text = BUF_INIT(1u << 16);
	enum { ROWS = 4, CELLS = 8 };
	enum rc rc;

	buf_puts(&text, "{" META ",\"cost-map\":{");
	for (int i = 0; i < ROWS * CELLS; i++) {
		if (i % CELLS == 0)
			buf_printf(&text, "%s\"pid-00000%d\":{", i ? "}," : "",
			           i / CELLS);
		else
			buf_printf(&text, ",%s", gap);
		if (i == at)
			buf_puts(&text, odd);
		else
			buf_printf(&text, "\"pid-00000%d\":%d.%d", i % CELLS,
			           i, i % 7);
	}
	buf_puts(&text, "}}}");
	rc = read_doc(buf_str(&text), base, out);
	buf_free(&text);
	return rc;
}

/* Cells without blanks are taken in a way of their own. */
static void what_is_odd_is_so_with_blanks_and_without(void)
{
	static const char *const odd[] = {
		"\"pid-000003\":-1", "\"pid-000003\":-0", "\"pid-000003\":1e3",
		"\"pid-000003\":1e400", "\"pid-000003\":123456789",
		"\"pid-000003\":0.123456789012", "\"pid-000003\":12345678",
		"\"pid-000003\":01", "\"pid-000003\":1.", "\"pid-000003\":.5",
		"\"pid-000003\":+1", "\"pid-000003\":1.2.3", "\"pid-000003\":",
		"\"pid-000003\":\"1\"", "\"pid-000003\":null",
		"\"pid-000003\":1;", "\"pid-000003\":1 ", "\"pid-000003\" :1",
		"\"pid-000003\":\t1", "\"pid-000003\"", "\"pid-000001\":1",
		"\"pid-00000\\u0033\":1", "\"pid-00003\":1", "\"p d-000003\":1",
		"\"pid-0000030\":1", "\"pid-000009\":1", "pid-000003:1", "", "}"
	};

	for (size_t k = 0; k < sizeof(odd) / sizeof(odd[0]); k++) {
		for (int at = 0; at < 32; at++) {
			struct costmap *with = NULL, *without = NULL;
			enum rc rc = read_odd(" ", at, odd[k], NULL, &with);
			struct diag said = diag;

			CU_ASSERT_EQUAL(read_odd("", at, odd[k], with,
			                         &without), rc);
			CU_ASSERT_STRING_EQUAL(diag.text, said.text);
			CU_ASSERT_STRING_EQUAL(diag.pointer, said.pointer);
			for (uint32_t i = 0; with && without && i < 4; i++)
				CU_ASSERT_PTR_EQUAL(costmap_row(with, i),
				                    costmap_row(without, i));
			costmap_unref(with);
			costmap_unref(without);
		}
	}
}

static void a_full_buffer_is_told(void)
{
	struct costmap *m = map_of("{" META ",\"cost-map\":{\"a\":{\"b\":1}}}");
	struct buf exact = BUF_INIT(11), small = BUF_INIT(10);

	costmap_json_row("a", costmap_row(m, 0), costmap_names(m), &exact);
	CU_ASSERT_EQUAL(buf_rc(&exact), RC_OK);
	CU_ASSERT_STRING_EQUAL(buf_str(&exact), "\"a\":{\"b\":1}");
	costmap_json_row("a", costmap_row(m, 0), costmap_names(m), &small);
	CU_ASSERT_EQUAL(buf_rc(&small), RC_ELIMIT);
	buf_free(&exact);
	buf_free(&small);
	costmap_unref(m);
}

static struct netmap *net_of(const char *pid)
{
	struct netbuild *b = NULL;
	struct netmap *net = NULL;

	CU_ASSERT_EQUAL_FATAL(netbuild_new(&b), RC_OK);
	CU_ASSERT_EQUAL(netbuild_pid(b, "a", 1, NULL), RC_OK);
	CU_ASSERT_EQUAL(netbuild_pid(b, pid, strlen(pid), NULL), RC_OK);
	CU_ASSERT_EQUAL_FATAL(netbuild_end(b, NULL, &net, NULL), RC_OK);
	netbuild_free(b);
	return net;
}

static void a_pid_that_the_network_map_lacks_is_named(void)
{
	struct netmap *both = net_of("b"), *other = net_of("c");
	struct costmap *m = map_of("{" META ",\"cost-map\":{\"a\":{\"b\":1}}}");

	diag_clear(&diag);
	CU_ASSERT_EQUAL(costmap_json_fits(m, both, &diag), RC_OK);
	CU_ASSERT_EQUAL(costmap_json_fits(m, other, &diag), RC_ERULE);
	CU_ASSERT_PTR_NOT_NULL(strstr(diag.text, "PID \"b\" is not in the "
	                                         "network map \"net\""));
	CU_ASSERT_STRING_EQUAL(diag.pointer, "/cost-map/a/b");
	costmap_unref(m);
	m = map_of("{" META ",\"cost-map\":{\"z\":{\"a\":1}}}");
	diag_clear(&diag);
	CU_ASSERT_EQUAL(costmap_json_fits(m, both, &diag), RC_ERULE);
	CU_ASSERT_STRING_EQUAL(diag.pointer, "/cost-map/z");
	refused(RC_ERULE, "{" META ",\"cost-map\":{},\"network-map\":{}}",
	        "in one document");
	netmap_unref(both);
	netmap_unref(other);
	costmap_unref(m);
}

static void a_name_that_no_cost_uses_need_not_be_in_the_network_map(void)
{
	struct costmap *m = map_of("{" META ",\"cost-map\":{\"a\":{\"a\":1,"
	                           "\"z\":2}}}"), *cut = NULL;
	struct costrow *rows[2] = { costrow_new(2), NULL };
	struct netmap *net = net_of("c");

	rows[0]->cost[0] = 1;
	rows[0]->set = 1;
	CU_ASSERT_EQUAL_FATAL(costmap_from_rows(costmap_meta(m),
		costmap_names(m), rows, &cut), RC_OK);
	CU_ASSERT_EQUAL(costmap_json_fits(m, net, NULL), RC_ERULE);
	CU_ASSERT_EQUAL(costmap_json_fits(cut, net, NULL), RC_OK);
	row_unref(&rows[0]->row);
	costmap_unref(cut);
	costmap_unref(m);
	netmap_unref(net);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the example of the RFC is read",
		  the_example_of_the_rfc_is_read },
		{ "meta may come last", meta_may_come_last },
		{ "sources without costs are left out",
		  sources_without_costs_are_left_out },
		{ "escapes in names are the same names",
		  escapes_in_names_are_the_same_names },
		{ "its own vtag is handed out", its_own_vtag_is_handed_out },
		{ "unknown members are dropped and noted",
		  unknown_members_are_dropped_and_noted },
		{ "what a cost map must have is asked for",
		  what_a_cost_map_must_have_is_asked_for },
		{ "names that are none are refused where they stand",
		  names_that_are_none_are_refused_where_they_stand },
		{ "twice the same name is refused",
		  twice_the_same_name_is_refused },
		{ "a repeat in a later row is refused too",
		  a_repeat_in_a_later_row_is_refused_too },
		{ "modes without single numbers are refused",
		  modes_without_single_numbers_are_refused },
		{ "ordinal costs are integers from zero up",
		  ordinal_costs_are_integers_from_zero_up },
		{ "what is no number is no cost", what_is_no_number_is_no_cost },
		{ "a document may come in drops", a_document_may_come_in_drops },
		{ "a large map survives the way out and in",
		  a_large_map_survives_the_way_out_and_in },
		{ "what is odd is so with blanks and without",
		  what_is_odd_is_so_with_blanks_and_without },
		{ "a full buffer is told", a_full_buffer_is_told },
		{ "a PID that the network map lacks is named",
		  a_pid_that_the_network_map_lacks_is_named },
		{ "a name that no cost uses need not be in the network map",
		  a_name_that_no_cost_uses_need_not_be_in_the_network_map },
		CU_TEST_INFO_NULL
	};

	return suite_run("costmap_json", tests);
}
