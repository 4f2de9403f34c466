/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c - Lists of frames. */
#include "frames.h"

#include <stdio.h>
#include <stdlib.h>

static void *must(void *p)
{
	if (!p) {
		fputs("out of memory\n", stderr);
		exit(2);
	}
	return p;
}

uint8_t *frames_add(struct frames *frames, size_t len)
{
	if (frames->n == frames->room) {
		frames->room = frames->room * 2 + 16;
		frames->at = must(realloc(frames->at, frames->room * sizeof(*frames->at)));
	}
	frames->at[frames->n] = (struct bytes){ must(malloc(len ? len : 1)), len };
	return frames->at[frames->n++].data;
}

void frames_free(struct frames *frames)
{
	for (size_t i = 0; i < frames->n; i++)
		free(frames->at[i].data);
	free(frames->at);
	*frames = (struct frames){ 0 };
}
