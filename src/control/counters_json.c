/* SPDX-License-Identifier: Apache-2.0 */
/* counters_json.c - The names of counters. */
#include "control/counters_json.h"

#include <stddef.h>
#include <string.h>

#include "port/port.h"

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{ "frames", offsetof(struct port_counters, frames) },
	{ "bytes", offsetof(struct port_counters, bytes) },
	{ "multicast", offsetof(struct port_counters, multicast) },
	{ "gso_frames", offsetof(struct port_counters, gso_frames) },
	{ "csum_partial", offsetof(struct port_counters, csum_partial) },
	{ "coalesced", offsetof(struct port_counters, coalesced) },
	{ "sw_csum", offsetof(struct port_counters, sw_csum) },
	{ "sw_gso_frames", offsetof(struct port_counters, sw_gso_frames) },
	{ "sw_segments", offsetof(struct port_counters, sw_segments) },
	{ "notifications", offsetof(struct port_counters, notifications) },
};
static_assert(ARRAY_SIZE(counters) * sizeof(uint64_t) == offsetof(struct port_counters, drops),
	      "a counter has no name");

json_t *counters_to_json(const struct port_counters *c)
{
	json_t *object = json_object(), *drops = json_object();
	uint64_t dropped = 0;

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		const uint64_t *value = (const void *)((const char *)c + counters[i].offset);

		json_object_set_new(object, counters[i].name, json_integer((json_int_t)*value));
	}
	for (unsigned i = DROP_NONE + 1; i < N_DROP_REASONS; i++) {
		json_object_set_new(drops, drop_reason_name(i), json_integer((json_int_t)c->drops[i]));
		dropped += c->drops[i];
	}
	json_object_set_new(object, "dropped", json_integer((json_int_t)dropped));
	json_object_set_new(object, "drops", drops);
	return object;
}

static uint64_t *find_counter(struct port_counters *c, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		if (strcmp(counters[i].name, name) == 0)
			return (void *)((char *)c + counters[i].offset);
	return NULL;
}

static uint64_t *find_drop(struct port_counters *c, const char *name)
{
	for (unsigned i = DROP_NONE + 1; i < N_DROP_REASONS; i++)
		if (strcmp(drop_reason_name(i), name) == 0)
			return &c->drops[i];
	return NULL;
}

static void set_all(const json_t *object, struct port_counters *c,
		    uint64_t *(*find)(struct port_counters *c, const char *name))
{
	const char *name;
	const json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
		uint64_t *to = find(c, name);

		if (to)
			*to = (uint64_t)json_integer_value(value);
	}
}

void counters_from_json(const json_t *object, struct port_counters *c)
{
	memset(c, 0, sizeof(*c));
	set_all(object, c, find_counter);
	set_all(json_object_get(object, "drops"), c, find_drop);
}
