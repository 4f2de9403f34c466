/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_landlock.c - The part of the file system that is left.
 *
 * What may be written, and where sockets may be made: the run directory, the directories of configured sockets, and those of
 * --allow-path. What may be read: the directory of the configuration, /etc/passwd and /etc/group, our own /proc. Devices: tun and
 * userfaultfd. What is open already stays so. Connecting to a socket, chmod(2), stat(2) and the like are not Landlock's business. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/allowed_paths.h"
#include "base/compiler.h"
#include "base/log.h"
#include "control/config.h"
#include "daemon/options.h"
#include "daemon/sandbox.h"

/* From linux/landlock.h of Linux 6.18; Debian 12's is of ABI 2. */
#define FS_TRUNCATE  (1ull << 14) /* ABI 3 */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5 */
enum { SCOPE_SIGNAL = 1 << 1 };   /* ABI 6 */
struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;             /* ABI 6 */
};

enum {
	READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	WRITE = READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
		LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_DIR | FS_TRUNCATE,
	DEVICE = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_IOCTL_DEV,
	FILE_RIGHTS = LANDLOCK_ACCESS_FS_EXECUTE | DEVICE | FS_TRUNCATE,
	ABI_1_RIGHTS = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
};

struct rules {
	int fd;
	uint64_t handled;
};

static uint64_t rights_of(long abi)
{
	return ABI_1_RIGHTS | (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	       (abi >= 5 ? FS_IOCTL_DEV : 0);
}

/* What is not there needs no right. */
static int allow(const struct rules *rules, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights & rules->handled };
	struct stat st;
	int err = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return 0;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_RIGHTS;
	if (syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0) {
		err = -errno;
		log_error("landlock: %s: %s", path, strerror(-err));
	}
	close(rule.parent_fd);
	return err;
}

static int allow_directory(const struct rules *rules, const char *dir)
{
	int err = allow(rules, dir, WRITE);

	if (err == 0 && allowed_paths_add(dir) == -ENOSPC) {
		log_error("sandbox: sockets are in too many directories");
		err = -ENOSPC;
	}
	return err;
}

/* Of an absolute path; a relative one is in the run directory. */
static int allow_directory_of(const struct rules *rules, const char *path,
			      int (*allow_it)(const struct rules *, const char *))
{
	char dir[512];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash)
		return allow_it(rules, ".");
	slash[slash == dir ? 1 : 0] = '\0';
	return allow_it(rules, dir);
}

static int allow_socket(const struct rules *rules, const char *path)
{
	return path[0] == '/' ? allow_directory_of(rules, path, allow_directory) : 0;
}

static int allow_sockets(const struct rules *rules, const struct config *c)
{
	int err = allow_socket(rules, c->api_socket);

	for (size_t i = 0; i < c->n_networks; i++) {
		const struct network_config *n = &c->networks[i];

		for (size_t k = 0; k < n->n_ports && err == 0; k++)
			if (n->ports[k].type == PORT_TYPE_VHOST_USER && n->ports[k].role == SOCKET_SERVER)
				err = allow_socket(rules, n->ports[k].socket);
	}
	return err;
}

static int allow_reading(const struct rules *rules, const char *dir)
{
	return allow(rules, dir, READ);
}

static int allow_all(const struct rules *rules, const struct sandbox_request *r)
{
	static const char *const readable[] = { "/proc/self", "/etc/passwd", "/etc/group", "/sys/devices/system/cpu",
						"/sys/devices/system/node" };
	static const char *const devices[] = { "/dev/net/tun", "/dev/userfaultfd", "/dev/null" };
	int err = allow_directory(rules, r->run_dir);

	if (err == 0)
		err = allow_sockets(rules, r->config);
	for (unsigned i = 0; i < r->options->n_allowed_paths && err == 0; i++)
		err = allow_directory(rules, r->options->allowed_paths[i]);
	if (err == 0 && *r->config_path)
		err = allow_directory_of(rules, r->config_path, allow_reading);
	for (size_t i = 0; i < ARRAY_SIZE(readable) && err == 0; i++)
		err = allow(rules, readable[i], READ);
	for (size_t i = 0; i < ARRAY_SIZE(devices) && err == 0; i++)
		err = allow(rules, devices[i], DEVICE);
	return err;
}

int sandbox_limit_paths(const struct sandbox_request *r)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attr attr = { .handled_access_fs = rights_of(abi), .scoped = abi >= 6 ? SCOPE_SIGNAL : 0 };
	size_t attr_size = abi >= 6 ? sizeof(attr) : sizeof(attr.handled_access_fs);
	struct rules rules = { .handled = attr.handled_access_fs };
	int err;

	if (abi < 1) {
		log_info("this kernel has no Landlock (%s): files are not limited", strerror(errno));
		return 0;
	}
	rules.fd = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size, 0);
	if (rules.fd < 0) {
		err = -errno;
		log_error("landlock: %s", strerror(-err));
		return err;
	}
	err = allow_all(&rules, r);
	if (err == 0 && syscall(SYS_landlock_restrict_self, rules.fd, 0) < 0) {
		err = -errno;
		log_error("landlock: %s", strerror(-err));
	}
	close(rules.fd);
	return err;
}
