/* media.h - media types (RFC 7285 s14.1, RFC 9240 s12.1, RFC 7396 s4, RFC 6902 s6; ours). */
#ifndef ALTOCAST_WIRE_MEDIA_H
#define ALTOCAST_WIRE_MEDIA_H

#define MEDIA_DIRECTORY   "application/alto-directory+json"
#define MEDIA_NETWORK_MAP "application/alto-networkmap+json"
#define MEDIA_COST_MAP    "application/alto-costmap+json"
#define MEDIA_ENDPOINT_PROP "application/alto-endpointprop+json"
#define MEDIA_ENDPOINT_COST "application/alto-endpointcost+json"
#define MEDIA_PROPERTY_MAP "application/alto-propmap+json"
#define MEDIA_NETWORK_MAP_FILTER "application/alto-networkmapfilter+json"
#define MEDIA_COST_MAP_FILTER "application/alto-costmapfilter+json"
#define MEDIA_ENDPOINT_PROP_PARAMS "application/alto-endpointpropparams+json"
#define MEDIA_ENDPOINT_COST_PARAMS "application/alto-endpointcostparams+json"
#define MEDIA_ERROR       "application/alto-error+json"
#define MEDIA_STATE       "application/altocast-state+json"
#define MEDIA_MERGE_PATCH "application/merge-patch+json"
#define MEDIA_JSON_PATCH  "application/json-patch+json"

#endif
