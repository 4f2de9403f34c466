/* SPDX-License-Identifier: Apache-2.0 */
/* fd_store.c - See fd_store.h.
 *
 * What comes back comes as listening sockets would ($LISTEN_FDS), in no particular order: names tell them apart. FDPOLL=0, because systemd
 * would drop descriptors whose other end has closed meanwhile, and the document speaks of all of them. */
#include "daemon/fd_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/log.h"
#include "control/handover_fds.h"

/* syscalls control: memfd_create write lseek read setsockopt shutdown close */

bool fd_store_exists(void)
{
#ifdef HAVE_SYSTEMD
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket && *socket;
#else
	return false;
#endif
}

#ifdef HAVE_SYSTEMD

static const char DOCUMENT[] = "document";

/* Putting */

static int put(const char *name, int fd)
{
	char text[64];
	int n;

	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	n = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
	return n < 0 ? n : 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int put_document(const json_t *document)
{
	char *text = json_dumps(document, JSON_COMPACT);
	int fd = memfd_create("ringway-handover", MFD_CLOEXEC);
	int err = fd < 0 ? -errno : 0;

	if (!text)
		err = -ENOMEM;
	if (!err)
		err = write_all(fd, text, strlen(text));
	if (!err)
		err = put(DOCUMENT, fd);
	if (fd >= 0)
		close(fd);
	free(text);
	return err;
}

int fd_store_put(const json_t *document, const struct handover_fds *fds)
{
	char name[16];
	int err = 0;

	for (unsigned i = 0; i < fds->n && !err; i++) {
		snprintf(name, sizeof(name), "%u", i);
		err = put(name, fds->fds[i]);
	}
	return err ? err : put_document(document);
}

/* Getting */

/* The offset is where the process before left it. What has none is no file of ours. */
static json_t *read_document(int fd)
{
	return lseek(fd, 0, SEEK_SET) == 0 ? json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

/* Numbered ones into the table, in their order; the document's is returned, or -1. */
static int sort(char *const *names, int n, struct handover_fds *fds)
{
	int document = -1;

	for (int i = 0; i < n; i++)
		handover_fds_append(fds, -1);
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;
		char *end;
		unsigned long number = strtoul(names[i], &end, 10);

		if (strcmp(names[i], DOCUMENT) == 0 && document < 0)
			document = fd;
		else if (*names[i] && !*end && number < fds->n && fds->fds[number] < 0)
			fds->fds[number] = fd;
		else
			close(fd);
	}
	return document;
}

json_t *fd_store_get(struct handover_fds *fds)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	json_t *document = NULL;
	int fd = n > 0 ? sort(names, n, fds) : -1;

	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (fd < 0)
		return NULL;
	document = read_document(fd);
	close(fd);
	if (!document)
		log_warning("what the service manager has kept for this daemon cannot be read");
	return document;
}

void fd_store_clear(unsigned n_fds)
{
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", DOCUMENT);
	for (unsigned i = 0; i < n_fds; i++)
		sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%u", i);
}

void fd_store_discard(const struct handover_fds *fds)
{
	for (unsigned i = 0; i < fds->n; i++)
		shutdown(fds->fds[i], SHUT_RDWR); /* of what is no socket: nothing */
	fd_store_clear(fds->n);
}

#else

int fd_store_put(const json_t *document, const struct handover_fds *fds)
{
	(void)document, (void)fds;
	return -ENOTSUP;
}

json_t *fd_store_get(struct handover_fds *fds)
{
	(void)fds;
	return NULL;
}

void fd_store_clear(unsigned n_fds)
{
	(void)n_fds;
}

void fd_store_discard(const struct handover_fds *fds)
{
	(void)fds;
}

#endif
