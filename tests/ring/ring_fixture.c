/* SPDX-License-Identifier: Apache-2.0 */
#include "ring_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* the order is cmocka's wish */
#include <cmocka.h>

static const uint64_t region_gpa[N_REGIONS] = { GPA_A, GPA_B, GPA_C };

static void add_memory(struct ring *r)
{
	assert_int_equal(guest_mem_init(&r->mem), 0);
	for (unsigned i = 0; i < N_REGIONS; i++) {
		r->region[i] = aligned_alloc(4096, REGION_SIZE);
		assert_non_null(r->region[i]);
		memset(r->region[i], 0, REGION_SIZE);
		assert_int_equal(guest_mem_add_host(&r->mem, region_gpa[i], region_gpa[i], REGION_SIZE, r->region[i]),
				 0);
	}
}

void ring_init(struct ring *r, uint16_t size, uint64_t features)
{
	struct virtq_config config = { .size = size, .features = features };
	size_t avail_off, used_off;

	*r = (struct ring){ .size = size, .features = features };
	add_memory(r);
	r->areas_size = virtq_driver_size(size, &avail_off, &used_off);
	assert_int_equal(posix_memalign(&r->areas, 4096, r->areas_size), 0);
	memset(r->areas, 0, r->areas_size);
	assert_int_equal(virtq_driver_init(&r->drv, size, features, r->areas), 0);
	config.desc = r->areas;
	config.avail = (char *)r->areas + avail_off;
	config.used = (char *)r->areas + used_off;
	config.last_avail = features & F_PACKED ? 0x8000 : 0; /* 2.8.1: wrap counters begin at 1 */
	assert_int_equal(virtq_init(&r->dev, &config, &r->mem), 0);
}

void ring_deinit(struct ring *r)
{
	virtq_driver_deinit(&r->drv);
	guest_mem_deinit(&r->mem);
	for (unsigned i = 0; i < N_REGIONS; i++)
		free(r->region[i]);
	free(r->areas);
}

uint8_t *ring_at(const struct ring *r, uint64_t gpa)
{
	for (unsigned i = 0; i < N_REGIONS; i++) {
		if (gpa - region_gpa[i] < REGION_SIZE)
			return r->region[i] + (gpa - region_gpa[i]);
	}
	fail_msg("no region at %#lx", (unsigned long)gpa);
	return NULL;
}

bool ring_holds(const struct ring *r, const void *p, size_t len)
{
	for (unsigned i = 0; i < N_REGIONS; i++) {
		uintptr_t off = (uintptr_t)p - (uintptr_t)r->region[i];

		if (off < REGION_SIZE && len <= REGION_SIZE - off)
			return true;
	}
	return false;
}

const char *features_name(uint64_t features)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s%s%s%s%s", features & F_PACKED ? "packed" : "split",
		 features & F_VERSION_1 ? "" : " legacy", features & F_INDIRECT ? " indirect" : "",
		 features & F_EVENT_IDX ? " event_idx" : "", features & F_IN_ORDER ? " in_order" : "");
	return name;
}

uint32_t prng(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}
