/* SPDX-License-Identifier: Apache-2.0 */
/* handover_document.c - What is in the two documents of a handover.
 *
 * The configuration that runs says which networks and ports there are, in the words of the API; without defaults, as a reader knows no keys
 * of a later version. What else there is to know of a port stands under its name. */
#include "control/handover_document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config.h"
#include "control/handover.h"
#include "control/handover_form.h"
#include "control/handover_port.h"
#include "control/runtime.h"
#include "control/runtime_priv.h"

static const char FORMAT[] = "ringway-handover";

struct numbers {
	uint32_t next_port_id;
	uint32_t pid;
	int log_fd;
	char program[32], api_path[512];
};

static const struct handover_field state_fields[] = {
	HANDOVER_FIELD(TEXT, struct numbers, program),
	HANDOVER_FIELD(NUMBER, struct numbers, pid),
	HANDOVER_FIELD(NUMBER, struct numbers, next_port_id),
	HANDOVER_FIELD(FD, struct numbers, log_fd),
	HANDOVER_FIELD(TEXT, struct numbers, api_path),
	HANDOVER_FIELD_OTHER("format"),
	HANDOVER_FIELD_OTHER("version"),
	HANDOVER_FIELD_OTHER("api"),
	HANDOVER_FIELD_OTHER("server"),
	HANDOVER_FIELD_OTHER("config"),
	HANDOVER_FIELD_OTHER("file"),
	HANDOVER_FIELD_OTHER("ports"),
};
static const struct handover_form state_form = { state_fields, ARRAY_SIZE(state_fields) };

struct moment {
	uint64_t stopped_ns;
};

static const struct handover_field places_fields[] = {
	HANDOVER_FIELD(NUMBER, struct moment, stopped_ns),
	HANDOVER_FIELD_OTHER("ports"),
};
static const struct handover_form places_form = { places_fields, ARRAY_SIZE(places_fields) };

/* Writing */

static json_t *running_json(const struct runtime *rt)
{
	struct config c;
	json_t *tree = runtime_get_config(rt, &c) == 0 ? config_to_json(&c, false) : NULL;

	config_deinit(&c);
	return tree;
}

/* {name: what `save` gives}; NULL: out of memory, or e->text. */
static json_t *ports_json(const struct runtime *rt, struct handover_fds *fds, struct runtime_error *e)
{
	json_t *ports = json_object();
	bool complete = ports;

	for (size_t i = 0; i < runtime_n_networks(rt); i++) {
		const struct runtime_network *n = runtime_network_at(rt, i);

		for (size_t k = 0; k < n->n_ports; k++) {
			json_t *port =
			    fds ? handover_port_save(n->ports[k], fds, e) : handover_port_save_places(n->ports[k]);

			complete = complete && json_object_set_new(ports, n->ports[k]->config.name, port) == 0;
		}
	}
	if (complete)
		return ports;
	json_decref(ports);
	return NULL;
}

json_t *handover_state_json(const struct handover_source *source, const struct vhost_listener_state *server,
			    struct handover_fds *fds, struct runtime_error *e)
{
	const struct vhost_listener_state api = vhost_listener_save(source->api);
	struct numbers n = {
		.next_port_id = runtime_next_id(source->rt),
		.pid = (uint32_t)getpid(),
		.log_fd = STDERR_FILENO,
		.program = RINGWAY_VERSION,
	};
	json_t *state;
	bool complete;

	snprintf(n.api_path, sizeof(n.api_path), "%s", source->api->addr.sun_path);
	state = handover_pack(&state_form, &n, fds);
	json_object_set_new(state, "format", json_string(FORMAT));
	json_object_set_new(state, "version", json_integer(HANDOVER_VERSION));
	json_object_set_new(state, "api", handover_pack(&handover_listener_form, &api, fds));
	json_object_set_new(state, "server", handover_pack(&handover_listener_form, server, fds));
	json_object_set_new(state, "file", config_to_json(source->file, false));
	complete = json_object_set_new(state, "config", running_json(source->rt)) == 0 &&
		   json_object_set_new(state, "ports", ports_json(source->rt, fds, e)) == 0 && !fds->failed;
	if (complete)
		return state;
	json_decref(state);
	if (!*e->text)
		runtime_fail(e, -ENOMEM, "", "out of memory");
	return NULL;
}

json_t *handover_places_json(const struct runtime *rt, uint64_t stopped_ns)
{
	struct moment moment = { stopped_ns };
	json_t *places = handover_pack(&places_form, &moment, NULL);

	if (json_object_set_new(places, "ports", ports_json(rt, NULL, NULL)) == 0)
		return places;
	json_decref(places);
	return NULL;
}

/* Reading */

static int read_config(const json_t *tree, struct config **to, const char *what, struct runtime_error *e)
{
	struct config_error ce = { 0 };
	struct config *c = calloc(1, sizeof(*c));
	char text[768];

	if (!c)
		return runtime_fail(e, -ENOMEM, "", "out of memory");
	if (config_from_json(tree, c, &ce) == 0) {
		*to = c;
		return 0;
	}
	free(c);
	config_error_format(&ce, text, sizeof(text));
	return runtime_fail(e, -EPROTO, "", "%s: %.300s", what, text);
}

/* Before anything else is looked at, which may mean something else in another version. */
static int check_version(const json_t *state, struct runtime_error *e)
{
	const char *format = json_string_value(json_object_get(state, "format"));
	json_int_t version = json_integer_value(json_object_get(state, "version"));

	if (!format || strcmp(format, FORMAT) != 0)
		return runtime_fail(e, -EPROTO, "", "this is no state of a ringwayd");
	if (version != HANDOVER_VERSION)
		return runtime_fail(e, -EPROTO, "", "the state is of version %lld, this program reads %d",
				    (long long)version, HANDOVER_VERSION);
	return 0;
}

int handover_read_state(struct handover *h, struct runtime_error *e)
{
	struct numbers n = { 0 };
	int err = check_version(h->state, e);

	if (!err)
		err = handover_unpack(&state_form, h->state, &n, &h->fds, "the state", e);
	if (err)
		return err;
	h->pid = (int)n.pid;
	h->log_fd = n.log_fd;
	memcpy(h->program, n.program, sizeof(h->program));
	memcpy(h->api_path, n.api_path, sizeof(h->api_path));
	err = handover_unpack(&handover_listener_form, json_object_get(h->state, "api"), &h->api, &h->fds, "api", e);
	if (!err)
		err = handover_unpack(&handover_listener_form, json_object_get(h->state, "server"), &h->server, &h->fds,
				      "server", e);
	if (!err)
		err = read_config(json_object_get(h->state, "config"), &h->running, "the running configuration", e);
	if (!err)
		err = read_config(json_object_get(h->state, "file"), &h->file, "the configuration file before", e);
	return err;
}

static int make_network(const struct handover *h, struct runtime *rt, const struct network_config *c,
			struct runtime_error *e)
{
	const json_t *ports = json_object_get(h->state, "ports");
	int err = runtime_network_resume(rt, c, e);

	for (size_t i = 0; i < c->n_ports && !err; i++)
		err = handover_port_resume(rt, c->name, &c->ports[i], json_object_get(ports, c->ports[i].name), &h->fds,
					   e);
	return err;
}

int handover_make_ports(const struct handover *h, struct runtime *rt, struct runtime_error *e)
{
	int err = 0;

	for (size_t i = 0; i < h->running->n_networks && !err; i++)
		err = make_network(h, rt, &h->running->networks[i], e);
	runtime_set_next_id(rt, (uint32_t)json_integer_value(json_object_get(h->state, "next_port_id")));
	return err;
}

int handover_start_ports(const struct handover *h, struct runtime *rt, uint64_t *stopped_ns, struct runtime_error *e)
{
	const json_t *ports = json_object_get(h->places, "ports");
	struct moment moment = { 0 };
	int err = handover_unpack(&places_form, h->places, &moment, &h->fds, "the places", e);

	*stopped_ns = moment.stopped_ns;
	for (size_t i = 0; i < runtime_n_networks(rt) && !err; i++) {
		const struct runtime_network *n = runtime_network_at(rt, i);

		for (size_t k = 0; k < n->n_ports && !err; k++)
			err = handover_port_go_on(n->ports[k], json_object_get(ports, n->ports[k]->config.name), e);
	}
	return err;
}
