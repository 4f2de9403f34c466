/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_caps.c - Capabilities and the user.
 *
 * The configuration says what is needed. One without ports says nothing: they will come over the API, and all that any port can
 * need is kept. */
#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "control/config.h"
#include "daemon/options.h"
#include "daemon/sandbox.h"

#define CAP_BIT(cap) (1ull << (cap))

static uint64_t port_needs(const struct port_config *p)
{
	uint64_t needs = 0;

	if (p->type == PORT_TYPE_TAP)
		needs |= CAP_BIT(CAP_NET_ADMIN); /* create it, set its MTU, set it up */
	if (*p->socket_owner || *p->socket_group)
		needs |= CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_FOWNER); /* the mode is set after the owner */
	if (p->type == PORT_TYPE_VHOST_USER && p->role == SOCKET_CLIENT)
		needs |= CAP_BIT(CAP_DAC_OVERRIDE); /* the socket is another user's, mode 0600 */
	return needs;
}

static uint64_t config_needs(const struct config *c)
{
	uint64_t needs = 0;
	size_t n_ports = 0;

	for (size_t i = 0; i < c->n_networks; i++) {
		n_ports += c->networks[i].n_ports;
		for (size_t k = 0; k < c->networks[i].n_ports; k++)
			needs |= port_needs(&c->networks[i].ports[k]);
	}
	if (n_ports == 0)
		needs = CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_DAC_OVERRIDE);
	return needs;
}

/* Root may write anywhere, until it is root in name only. */
static uint64_t directory_needs(const char *dir, uid_t uid)
{
	struct stat st;

	if (stat(dir, &st) < 0 || st.st_uid == uid || (st.st_mode & S_IWOTH))
		return 0;
	return CAP_BIT(CAP_DAC_OVERRIDE);
}

/* Into libcap-ng's memory: `keep`, as far as the process has it. */
static uint64_t choose(uint64_t keep)
{
	uint64_t kept = 0;

	capng_get_caps_process();
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if ((keep & CAP_BIT(cap)) && capng_have_capability(CAPNG_PERMITTED, cap))
			kept |= CAP_BIT(cap);
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (kept & CAP_BIT(cap))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	return kept;
}

static void log_kept(uint64_t kept)
{
	char text[256] = "";
	size_t len = 0;

	for (unsigned cap = 0; cap <= CAP_LAST_CAP && len < sizeof(text); cap++)
		if (kept & CAP_BIT(cap))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? ", " : "",
						capng_capability_to_name(cap));
	log_info("capabilities that are kept: %s", kept ? text : "none");
}

/* The user's name is looked up while every source of names can still be asked. */
static int become_user(const char *name, const char *run_dir, uint64_t *needs)
{
	const struct passwd *pw = getpwnam(name);
	int err;

	if (!pw) {
		log_error("--user: no user is called '%s'", name);
		return -ENOENT;
	}
	if (chown(run_dir, pw->pw_uid, pw->pw_gid) < 0) {
		err = -errno;
		log_error("--user: %s cannot be given to %s: %s", run_dir, name, strerror(-err));
		return err;
	}
	*needs = choose(*needs);
	err = capng_change_id((int)pw->pw_uid, (int)pw->pw_gid, CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (err == 0)
		return 0;
	log_error("--user: cannot become %s (libcap-ng: %d); only root can", name, err);
	return -EPERM;
}

static int stay_user(const char *run_dir, uint64_t *needs)
{
	capng_select_t which = CAPNG_SELECT_CAPS;

	capng_get_caps_process();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		which = CAPNG_SELECT_ALL;
	*needs = choose(*needs | directory_needs(run_dir, geteuid()));
	if (capng_apply(which) == 0)
		return 0;
	log_error("capabilities cannot be dropped: %s", strerror(errno));
	return -EPERM;
}

int sandbox_drop_privileges(const struct sandbox_request *r)
{
	uint64_t needs = config_needs(r->config);
	int err = r->options->user ? become_user(r->options->user, r->run_dir, &needs) : stay_user(r->run_dir, &needs);

	if (err == 0 && (geteuid() == 0 || needs || r->options->user))
		log_kept(needs);
	return err;
}

int sandbox_drop_thread_capabilities(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	return capng_apply(CAPNG_SELECT_CAPS) == 0 ? 0 : -EPERM;
}
