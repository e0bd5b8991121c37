/* ird_text.h - the directory of a small world, byte for byte. */
#ifndef ALTOCAST_TESTS_IRD_TEXT_H
#define ALTOCAST_TESTS_IRD_TEXT_H

#include "common/wire/media.h"

#define SERVICE "0b0f2d3c-8f3e-4d52-9a77-3a1f0c5d2e10"
#define ED_X "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"
#define ED_ID "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"
#define KEYS "{\"keys\":[{\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"kid\":\"" \
	ED_ID "\",\"kty\":\"OKP\",\"use\":\"sig\",\"x\":\"" ED_X "\"}]}"

#define COSTS "\"capabilities\":{\"cost-constraints\":true," \
	"\"cost-type-names\":[\"num-routingcost\",\"ord-hopcount\"]," \
	"\"max-cost-types\":8}"

/* Two cost maps over one network map, all services, two proxies. */
static const char want_world[] =
	"{\"meta\":{\"cost-types\":{"
	"\"num-routingcost\":{\"cost-metric\":\"routingcost\","
	"\"cost-mode\":\"numerical\"},"
	"\"ord-hopcount\":{\"cost-metric\":\"hopcount\","
	"\"cost-mode\":\"ordinal\"}},"
	"\"default-alto-network-map\":\"net\","
	"\"redistribution\":{\"heartbeat\":30,\"keys\":" KEYS ","
	"\"proxies\":{\"rp-milan\":{\"uri\":\"https://rp-milan.example.net/\"},"
	"\"rp-oslo\":{\"push\":\"ws://192.0.2.1:8091/push\","
	"\"uri\":\"http://192.0.2.1:8090/\"}},"
	"\"push\":\"wss://alto.example.net:8081/push\","
	"\"service\":\"" SERVICE "\",\"state\":\"state\"}},"
	"\"resources\":{"
	"\"cost-hops\":{\"capabilities\":{\"cost-type-names\":"
	"[\"ord-hopcount\"]},\"media-type\":\"" MEDIA_COST_MAP "\","
	"\"uri\":\"maps/cost-hops\",\"uses\":[\"net\"]},"
	"\"cost-rc\":{\"capabilities\":{\"cost-type-names\":"
	"[\"num-routingcost\"]},\"media-type\":\"" MEDIA_COST_MAP "\","
	"\"uri\":\"maps/cost-rc\",\"uses\":[\"net\"]},"
	"\"endpoint-properties\":{\"accepts\":\"" MEDIA_ENDPOINT_PROP_PARAMS
	"\",\"capabilities\":{\"prop-types\":[\"net.pid\"]},\"media-type\":\""
	MEDIA_ENDPOINT_PROP "\",\"uri\":\"endpoint/property\"},"
	"\"net\":{\"media-type\":\"" MEDIA_NETWORK_MAP "\","
	"\"uri\":\"maps/net\"},"
	"\"net:endpoint-cost\":{\"accepts\":\"" MEDIA_ENDPOINT_COST_PARAMS
	"\"," COSTS ",\"media-type\":\"" MEDIA_ENDPOINT_COST "\","
	"\"uri\":\"endpoint/cost/net\"},"
	"\"net:filtered\":{\"accepts\":\"" MEDIA_NETWORK_MAP_FILTER "\","
	"\"media-type\":\"" MEDIA_NETWORK_MAP "\","
	"\"uri\":\"filter/network/net\",\"uses\":[\"net\"]},"
	"\"net:filtered-cost\":{\"accepts\":\"" MEDIA_COST_MAP_FILTER "\","
	COSTS ",\"media-type\":\"" MEDIA_COST_MAP "\","
	"\"uri\":\"filter/cost/net\",\"uses\":[\"net\"]}}}";

#endif
