/* SPDX-License-Identifier: Apache-2.0 */
/* fdb_file.c - Keeps forwarding tables in files; see fdb_file.h. */
#include "control/fdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "packet/crc32c.h"
#include "port/port.h"
#include "switch/fdb.h"
#include "switch/snapshot.h"

/* syscalls control: openat fstat newfstatat fallocate mmap(*,*,!PROT_EXEC) munmap rename renameat renameat2 unlink unlinkat
 * close mkdir mkdirat */

enum { VERSION = 1 };

struct header {
	char magic[8];
	uint32_t version;
	uint32_t n_names;
	uint32_t storage_size;
	uint32_t crc; /* of what is before it */
	uint8_t padding[40];
};

struct name {
	char name[PORT_NAME_MAX];
	uint32_t crc;
};

/* Of this machine alone, like everything in a run directory: in its byte order. */
struct image {
	struct header header;
	struct name names[SNAPSHOT_PORTS_MAX];
	struct fdb_bucket storage[];
};

struct fdb_file {
	char path[320], new_path[328];
	int fd;
	struct image *image;
	size_t size;
	const struct image *old; /* NULL: none */
	size_t old_size;
	bool in_place, frozen;
};

static uint32_t sum(const void *buf, size_t len)
{
	return ~crc32c(buf, len, CRC32C_INIT);
}

static struct header make_header(size_t storage_size)
{
	struct header h = { .magic = "ringfdb",
			    .version = VERSION,
			    .n_names = SNAPSHOT_PORTS_MAX,
			    .storage_size = (uint32_t)storage_size };

	h.crc = sum(&h, offsetof(struct header, crc));
	return h;
}

static bool is_valid(const struct image *image, size_t size)
{
	struct header h = make_header(size - sizeof(*image));

	return memcmp(&image->header, &h, sizeof(h)) == 0;
}

/* A file of ours that another daemon has left, or writes still when it is about to hand over. Only daemons of this run directory
 * write it: it does not get shorter, and what is read of it is one word at a time. */
static void open_old(struct fdb_file *f)
{
	int fd = open(f->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (uint64_t)st.st_size < sizeof(struct image)) {
		close(fd);
		return;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return;
	f->old = map;
	f->old_size = (size_t)st.st_size;
	if (is_valid(f->old, f->old_size))
		return;
	log_warning("%s: not of this version, or damaged: nothing is taken from it", f->path);
	munmap(map, f->old_size);
	f->old = NULL;
}

/* All of it is allocated: storing into a file that has no room would be fatal. */
static int open_new(struct fdb_file *f, size_t storage_size)
{
	int err;

	f->size = sizeof(struct image) + storage_size;
	if (unlink(f->new_path) < 0 && errno != ENOENT)
		return -errno;
	f->fd = open(f->new_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return -errno;
	do
		err = posix_fallocate(f->fd, 0, (off_t)f->size);
	while (err == EINTR);
	if (err)
		return -err;
	f->image = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->image == MAP_FAILED) {
		f->image = NULL;
		return -errno;
	}
	f->image->header = make_header(storage_size);
	return 0;
}

struct fdb_file *fdb_file_create(const char *dir, const char *network, unsigned capacity)
{
	struct fdb_file *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return NULL;
	f->fd = -1;
	snprintf(f->path, sizeof(f->path), "%s/%s.fdb", dir, network);
	snprintf(f->new_path, sizeof(f->new_path), "%s.new", f->path);
	err = open_new(f, fdb_storage_size(capacity));
	if (err == 0) {
		open_old(f);
		return f;
	}
	log_warning("%s: %s: addresses of network %s will not survive a restart", f->new_path, strerrordesc_np(-err),
		    network);
	fdb_file_destroy(f);
	return NULL;
}

void *fdb_file_storage(struct fdb_file *f)
{
	return f->image->storage;
}

void fdb_file_set_port(struct fdb_file *f, uint16_t idx, const char *name)
{
	struct name n = { .crc = 0 };

	snprintf(n.name, sizeof(n.name), "%s", name);
	n.crc = sum(n.name, sizeof(n.name));
	f->image->names[idx] = n;
}

/* Old index to new one; FDB_NO_PORT where there is none. The caller frees. */
static uint16_t *match_ports(const struct fdb_file *f)
{
	uint16_t *map = malloc(SNAPSHOT_PORTS_MAX * sizeof(*map));

	for (unsigned i = 0; map && i < SNAPSHOT_PORTS_MAX; i++) {
		const struct name *old = &f->old->names[i];

		map[i] = FDB_NO_PORT;
		if (!old->name[0] || sum(old->name, sizeof(old->name)) != old->crc)
			continue;
		for (unsigned k = 0; k < SNAPSHOT_PORTS_MAX && map[i] == FDB_NO_PORT; k++)
			if (memcmp(old, &f->image->names[k], sizeof(*old)) == 0)
				map[i] = (uint16_t)k;
	}
	return map;
}

static unsigned learn_old(const struct fdb_file *f, struct fdb *fdb)
{
	uint16_t *map = match_ports(f);
	size_t n_places = (f->old_size - sizeof(*f->old)) / sizeof(uint64_t);
	uint32_t now_s = (uint32_t)(clock_ns() / NSEC_PER_SEC);
	unsigned n = 0;

	for (size_t i = 0; map && i < n_places; i++) {
		uint64_t entry = read_once(&f->old->storage[i / FDB_WAYS].entries[i % FDB_WAYS]);
		uint64_t key = entry & ((1ull << FDB_PORT_SHIFT) - 1);
		uint16_t port = fdb_entry_port(entry);

		if (entry == 0 || port >= SNAPSHOT_PORTS_MAX || map[port] == FDB_NO_PORT)
			continue;
		if (fdb_lookup(fdb, key) == FDB_NO_PORT)
			n += fdb_learn(fdb, key, map[port], now_s);
	}
	free(map);
	return n;
}

unsigned fdb_file_copy(const struct fdb_file *f, struct fdb *fdb)
{
	return f->old ? learn_old(f, fdb) : 0;
}

unsigned fdb_file_restore(struct fdb_file *f, struct fdb *fdb)
{
	unsigned n = fdb_file_copy(f, fdb);

	if (f->old)
		munmap((void *)(uintptr_t)f->old, f->old_size);
	f->old = NULL;
	if (rename(f->new_path, f->path) == 0)
		f->in_place = true;
	else
		log_warning("%s: %s", f->path, strerrordesc_np(errno));
	return n;
}

/* The pages stay where they are for those who use them; a change makes a copy of its page. */
void fdb_file_freeze(struct fdb_file *f)
{
	f->frozen = mmap(f->image, f->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, f->fd, 0) != MAP_FAILED;
}

void fdb_file_destroy(struct fdb_file *f)
{
	if (!f)
		return;
	if (!f->frozen && f->fd >= 0)
		unlink(f->in_place ? f->path : f->new_path);
	if (f->old)
		munmap((void *)(uintptr_t)f->old, f->old_size);
	if (f->image)
		munmap(f->image, f->size);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}
