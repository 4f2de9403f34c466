/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - The order in which things are given up. */
#include "daemon/sandbox.h"

#include <errno.h>
#include <nss.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/options.h"

static bool filters; /* written before threads are started */

/* Names of users and groups come from files from now on: the other sources are libraries that are loaded, and servers that are
 * asked, at a time of their own choice. */
static void use_plain_name_service(void)
{
	static const char *const databases[] = { "passwd", "group", "initgroups" };

	for (size_t i = 0; i < ARRAY_SIZE(databases); i++)
		__nss_configure_lookup(databases[i], "files");
}

int sandbox_enter(const struct sandbox_request *r)
{
	int err;

	if (r->options->no_sandbox) {
		log_warning("the sandbox is off (--no-sandbox)");
		return 0;
	}
	err = sandbox_drop_privileges(r);
	if (err)
		return err;
	use_plain_name_service();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		log_error("no_new_privs: %s", strerror(errno));
		return -errno;
	}
	err = sandbox_limit_paths(r);
	if (!err)
		filters = sandbox_prepare_filters();
	return err;
}

static void enter_or_exit(enum sandbox_thread kind, const char *who)
{
	int err;

	if (!filters)
		return;
	/* A pager's spawner has none left to give up, and its filter does not let it try. */
	err = kind == SANDBOX_PAGER ? 0 : sandbox_drop_thread_capabilities();
	if (!err)
		err = sandbox_load_filter(kind);
	if (!err)
		return;
	log_error("%s cannot be sandboxed: %s", who, strerror(-err));
	_exit(EXIT_FAILURE);
}

void sandbox_enter_worker(void)
{
	enter_or_exit(SANDBOX_WORKER, "a worker");
}

void sandbox_enter_pager(enum pager_role role)
{
	enter_or_exit(role == PAGER_SPAWNER ? SANDBOX_SPAWNER : SANDBOX_PAGER, "a process that waits for pages");
}

int sandbox_enter_control(void)
{
	int err = filters ? sandbox_load_filter(SANDBOX_CONTROL) : 0;

	if (err)
		log_error("the control thread cannot be sandboxed: %s", strerror(-err));
	return err;
}
