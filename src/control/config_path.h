/* SPDX-License-Identifier: Apache-2.0 */
/* config_path.h - Where in a document a value stands, as text: "networks[0].ports[1].queues".
 *
 * The reader of YAML notes the line of each path, the parser names the path that is wrong; both walk down with these two
 * functions, so they agree. Too long a path is cut; what is
 * not printable ASCII becomes '?' (no key of ours has it), as errors go to terminals and into JSON. */
#ifndef RINGWAY_CONTROL_CONFIG_PATH_H
#define RINGWAY_CONTROL_CONFIG_PATH_H

#include <stddef.h>
#include <stdio.h>

struct config_path {
	char text[128];
	size_t len;
};

static inline void config_path_cut(struct config_path *p, size_t len)
{
	p->len = len;
	p->text[len] = 0;
}

/* Both return the length before: config_path_cut() with it goes back up. */
static inline size_t config_path_key(struct config_path *p, const char *key)
{
	size_t before = p->len;

	if (p->len > 0 && p->len < sizeof(p->text) - 1)
		p->text[p->len++] = '.';
	for (; *key && p->len < sizeof(p->text) - 1; key++)
		p->text[p->len++] = *key >= ' ' && *key < 0x7f ? *key : '?';
	p->text[p->len] = 0;
	return before;
}

static inline size_t config_path_index(struct config_path *p, size_t index)
{
	size_t before = p->len;
	size_t room = sizeof(p->text) - p->len;
	int n = snprintf(p->text + p->len, room, "[%zu]", index);

	p->len += (size_t)n < room ? (size_t)n : room - 1;
	return before;
}

#endif
