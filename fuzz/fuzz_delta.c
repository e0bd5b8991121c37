/* Patches from anywhere: read, and applied to a small map. The first byte says
 * what is read: a cost map's merge patch, a network map's, a JSON Patch. What
 * is taken must be written again, and be taken again.
 *
 *   clang -fsanitize=fuzzer,address,undefined ... fuzz/fuzz_delta.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/patch.h"
#include "common/wire/costmap_json.h"
#include "common/wire/delta_json.h"
#include "common/wire/media.h"
#include "common/wire/netmap_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char net_text[] = "{\"meta\":{\"vtag\":{\"resource-id\":\"n\","
	"\"tag\":\"t\"}},\"network-map\":{\"a\":{\"ipv4\":[\"0.0.0.0/0\","
	"\"10.0.0.0/8\",\"192.0.2.0/24\"],\"ipv6\":[\"::/0\"]},\"b\":{},"
	"\"c\":{\"ipv6\":[\"2001:db8::/32\",\"2001:db8:1::/48\"]}}}";
static const char cost_text[] = "{\"cost-map\":{\"a\":{\"a\":1,\"b\":2.5},"
	"\"b\":{\"a\":3},\"d\":{\"c\":1e-7}},\"meta\":{\"cost-type\":{"
	"\"cost-metric\":\"routingcost\",\"cost-mode\":\"numerical\"},"
	"\"dependent-vtags\":[{\"resource-id\":\"n\",\"tag\":\"t\"}]}}";

static struct netmap *net;
static struct costmap *cost;

static void need(int ok)
{
	if (!ok)
		abort();
}

static void make_maps(void)
{
	struct map_notes notes;
	struct vtag stated;
	struct scan *s = NULL;

	need(scan_new_bytes(net_text, strlen(net_text), NULL, &s) == RC_OK);
	need(netmap_json_read(s, NULL, &net, &stated, &notes) == RC_OK);
	scan_free(s);
	need(scan_new_bytes(cost_text, strlen(cost_text), NULL, &s) == RC_OK);
	need(costmap_json_read(s, NULL, &cost, &stated, &notes) == RC_OK);
	scan_free(s);
}

static void net_again(const struct net_delta *d)
{
	struct buf text = BUF_INIT(1u << 24);
	struct net_delta *again = NULL;

	need(delta_json_net(d, &text) == RC_OK);
	need(delta_json_net_read(delta_json_net_media(d), text.data, text.len,
	                         d->from, &again, NULL) == RC_OK);
	need(again->n == d->n);
	net_delta_free(again);
	buf_free(&text);
}

static void cost_again(const struct cost_delta *d)
{
	struct buf text = BUF_INIT(1u << 24);
	struct cost_delta *again = NULL;

	need(delta_json_cost(d, "n", &text) == RC_OK);
	need(delta_json_cost_read(text.data, text.len, d->from, &again,
	                          NULL) == RC_OK);
	need(again->n_rows == d->n_rows && again->n_cells == d->n_cells);
	cost_delta_free(again);
	buf_free(&text);
}

static void try_net(const char *media, const char *text, size_t len)
{
	struct net_delta *d = NULL;
	struct netmap *next = NULL;
	struct diag why;

	diag_clear(&why);
	if (delta_json_net_read(media, text, len, "t", &d, &why) != RC_OK)
		return;
	net_again(d);
	if (patch_net(net, d, &next, &why) == RC_OK)
		netmap_unref(next);
	net_delta_free(d);
}

static void try_cost(const char *text, size_t len)
{
	struct cost_delta *d = NULL;
	struct costmap *next = NULL;
	struct diag why;

	diag_clear(&why);
	if (delta_json_cost_read(text, len, "t", &d, &why) != RC_OK)
		return;
	cost_again(d);
	if (patch_cost(cost, d, &next, &why) == RC_OK)
		costmap_unref(next);
	cost_delta_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	if (!net)
		make_maps();
	if (size == 0)
		return 0;
	if (data[0] == '1')
		try_net(MEDIA_MERGE_PATCH, text, size - 1);
	else if (data[0] == '2')
		try_net(MEDIA_JSON_PATCH, text, size - 1);
	else
		try_cost(text, size - 1);
	return 0;
}
