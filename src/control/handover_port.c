/* SPDX-License-Identifier: Apache-2.0 */
/* handover_port.c - Which fields of a port go into the document, and the port of each kind that is made of them. */
#include "control/handover_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/counters_json.h"
#include "control/handover_fds.h"
#include "control/handover_form.h"
#include "control/runtime_priv.h"
#include "port/port_tap.h"
#include "port/port_vhost.h"
#include "vhost/backend_state.h"

/* Tables */

#define FORM(name, table) static const struct handover_form name = { table, ARRAY_SIZE(table) }

static const struct handover_field port_fields[] = {
	HANDOVER_FIELD(NUMBER, struct runtime_port_state, id),
	HANDOVER_FIELD(NUMBER, struct runtime_port_state, created_ns),
	HANDOVER_FIELD_OTHER("type"),
	HANDOVER_FIELD_OTHER("device"),
};
FORM(port_form, port_fields);

static const struct handover_field listener_fields[] = {
	HANDOVER_FIELD(FD, struct vhost_listener_state, fd),
	HANDOVER_FIELD(NUMBER, struct vhost_listener_state, dev),
	HANDOVER_FIELD(NUMBER, struct vhost_listener_state, ino),
};
const struct handover_form handover_listener_form = { listener_fields, ARRAY_SIZE(listener_fields) };

static const struct handover_field region_fields[] = {
	HANDOVER_FIELD(NUMBER, struct vhost_region_state, guest_addr),
	HANDOVER_FIELD(NUMBER, struct vhost_region_state, user_addr),
	HANDOVER_FIELD(NUMBER, struct vhost_region_state, size),
	HANDOVER_FIELD(NUMBER, struct vhost_region_state, file_offset),
	HANDOVER_FIELD(NUMBER, struct vhost_region_state, n_more),
	HANDOVER_FIELD(FD, struct vhost_region_state, fd),
};
FORM(region_form, region_fields);

static const struct handover_field ring_fields[] = {
	HANDOVER_FIELD(BOOL, struct vhost_ring_state, started),
	HANDOVER_FIELD(BOOL, struct vhost_ring_state, enabled),
	HANDOVER_FIELD(BOOL, struct vhost_ring_state, has_kick),
	HANDOVER_FIELD(BOOL, struct vhost_ring_state, has_addr),
	HANDOVER_FIELD(BOOL, struct vhost_ring_state, has_num),
	HANDOVER_FIELD(BOOL, struct vhost_ring_state, logs_used),
	HANDOVER_FIELD(BOOL, struct vhost_ring_state, placed),
	HANDOVER_FIELD(BOOL, struct vhost_ring_state, waits),
	HANDOVER_FIELD_NEWER(BOOL, struct vhost_ring_state, calls_inband),
	HANDOVER_FIELD(NUMBER, struct vhost_ring_state, num),
	HANDOVER_FIELD(NUMBER, struct vhost_ring_state, base),
	HANDOVER_FIELD(NUMBER, struct vhost_ring_state, desc_user_addr),
	HANDOVER_FIELD(NUMBER, struct vhost_ring_state, avail_user_addr),
	HANDOVER_FIELD(NUMBER, struct vhost_ring_state, used_user_addr),
	HANDOVER_FIELD(NUMBER, struct vhost_ring_state, log_guest_addr),
	HANDOVER_FIELD(FD, struct vhost_ring_state, call_fd),
	HANDOVER_FIELD(FD, struct vhost_ring_state, kick_fd),
	HANDOVER_FIELD(FD, struct vhost_ring_state, err_fd),
};
FORM(ring_form, ring_fields);

static const struct handover_field inflight_fields[] = {
	HANDOVER_FIELD(NUMBER, struct vhost_inflight_state, size),
	HANDOVER_FIELD(NUMBER, struct vhost_inflight_state, file_offset),
	HANDOVER_FIELD(NUMBER, struct vhost_inflight_state, n_rings),
	HANDOVER_FIELD(NUMBER, struct vhost_inflight_state, ring_size),
	HANDOVER_FIELD(FD, struct vhost_inflight_state, fd),
};
FORM(inflight_form, inflight_fields);

static const struct handover_field channel_fields[] = {
	HANDOVER_FIELD(FD, struct vhost_channel_state, fd),
	HANDOVER_FIELD(NUMBER, struct vhost_channel_state, n_unanswered),
	HANDOVER_FIELD_NEWER(NUMBER, struct vhost_channel_state, n_calls),
	HANDOVER_FIELD_OTHER("answer"),
};
FORM(channel_form, channel_fields);

static const struct handover_field vhost_fields[] = {
	HANDOVER_FIELD(FD, struct vhost_backend_state, fd),
	HANDOVER_FIELD(NUMBER, struct vhost_backend_state, features),
	HANDOVER_FIELD(NUMBER, struct vhost_backend_state, protocol_features),
	HANDOVER_FIELD(BOOL, struct vhost_backend_state, has_features),
	HANDOVER_FIELD_NEWER(BOOL, struct vhost_backend_state, speaks_inband),
	HANDOVER_FIELD(NUMBER, struct vhost_backend_state, status),
	HANDOVER_FIELD(NUMBER, struct vhost_backend_state, mtu),
	HANDOVER_FIELD(TEXT, struct vhost_backend_state, error),
	HANDOVER_FIELD(FD, struct vhost_backend_state, log_kick_fd),
	HANDOVER_FIELD_OTHER("listener"),
	HANDOVER_FIELD_OTHER("message"),
	HANDOVER_FIELD_OTHER("message_fds"),
	HANDOVER_FIELD_OTHER("channel"),
	HANDOVER_FIELD_OTHER("log"),
	HANDOVER_FIELD_OTHER("inflight"),
	HANDOVER_FIELD_OTHER("regions"),
	HANDOVER_FIELD_OTHER("rings"),
};
FORM(vhost_form, vhost_fields);

static const struct handover_field tap_fields[] = {
	HANDOVER_FIELD(TEXT, struct port_tap_state, ifname),
	HANDOVER_FIELD(NUMBER, struct port_tap_state, caps),
	HANDOVER_FIELD_OTHER("fds"),
};
FORM(tap_form, tap_fields);

static const struct handover_field place_fields[] = {
	HANDOVER_FIELD(BOOL, struct vhost_ring_place, running),
	HANDOVER_FIELD(NUMBER, struct vhost_ring_place, pos),
	HANDOVER_FIELD(BYTES, struct vhost_ring_place, journal),
};
FORM(place_form, place_fields);

static const struct handover_field announce_fields[] = {
	HANDOVER_FIELD(BOOL, struct port_vhost_places, announcing),
	HANDOVER_FIELD(BYTES, struct port_vhost_places, announced_mac),
};
FORM(announce_form, announce_fields);

static const struct handover_field places_fields[] = {
	HANDOVER_FIELD(TEXT, struct vhost_backend_places, fault),
	HANDOVER_FIELD_OTHER("announcement"),
	HANDOVER_FIELD_OTHER("rings"),
};
FORM(places_form, places_fields);

static const struct handover_field port_places_fields[] = {
	HANDOVER_FIELD_OTHER("counters"),
	HANDOVER_FIELD_OTHER("device"),
};
FORM(port_places_form, port_places_fields);

/* Lists */

static json_t *pack_fds(const int *list, size_t n, struct handover_fds *fds)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_integer(handover_fds_add(fds, list[i])));
	return array;
}

static int unpack_fds(const json_t *array, int *list, size_t max, uint16_t *n, const struct handover_fds *fds,
		      const char *where, struct runtime_error *e)
{
	if (!json_is_array(array) || json_array_size(array) > max)
		return runtime_fail(e, -EPROTO, "", "%s: not a list of up to %zu descriptors", where, max);
	*n = (uint16_t)json_array_size(array);
	for (size_t i = 0; i < *n; i++) {
		const json_t *item = json_array_get(array, i);

		if (!handover_unpack_fd(item, &list[i], fds))
			return runtime_fail(e, -EPROTO, "", "%s: there is no descriptor %lld", where,
					    (long long)json_integer_value(item));
	}
	return 0;
}

static json_t *pack_list(const struct handover_form *form, const void *items, size_t n, size_t size,
			 struct handover_fds *fds)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, handover_pack(form, (const char *)items + i * size, fds));
	return array;
}

static int unpack_list(const struct handover_form *form, const json_t *array, void *items, size_t max, size_t size,
		       uint16_t *n, const struct handover_fds *fds, const char *where, struct runtime_error *e)
{
	int err = 0;

	if (!json_is_array(array) || json_array_size(array) > max)
		return runtime_fail(e, -EPROTO, "", "%s is no list of up to %zu", where, max);
	*n = (uint16_t)json_array_size(array);
	for (size_t i = 0; i < *n && !err; i++)
		err = handover_unpack(form, json_array_get(array, i), (char *)items + i * size, fds, where, e);
	return err;
}

/* State: vhost-user */

static json_t *pack_channel(const struct vhost_channel_state *s, struct handover_fds *fds)
{
	json_t *object = handover_pack(&channel_form, s, fds);

	json_object_set_new(object, "answer", handover_hex(s->answer, s->n_answer));
	return object;
}

static json_t *vhost_json(const struct vhost_backend_state *s, struct handover_fds *fds)
{
	json_t *object = handover_pack(&vhost_form, s, fds);

	json_object_set_new(object, "listener", handover_pack(&handover_listener_form, &s->listener, fds));
	json_object_set_new(object, "message", handover_hex(s->message, s->n_message));
	json_object_set_new(object, "message_fds", pack_fds(s->message_fds, s->n_message_fds, fds));
	json_object_set_new(object, "channel", pack_channel(&s->channel, fds));
	json_object_set_new(object, "log", handover_pack(&region_form, &s->log, fds));
	json_object_set_new(object, "inflight", handover_pack(&inflight_form, &s->inflight, fds));
	json_object_set_new(object, "regions",
			    pack_list(&region_form, s->regions, s->n_regions, sizeof(s->regions[0]), fds));
	json_object_set_new(object, "rings", pack_list(&ring_form, s->rings, s->n_rings, sizeof(s->rings[0]), fds));
	return object;
}

static json_t *save_vhost(const struct port *port, struct handover_fds *fds, struct runtime_error *e)
{
	struct vhost_backend_state s = { .n_regions = 0 };
	int err = port_vhost_save(port, &s);
	json_t *object = err ? NULL : vhost_json(&s, fds);

	if (err == -EBUSY)
		runtime_fail(e, err, "", "port %s: memory of its guest is still to come (postcopy)", port->name);
	vhost_backend_state_deinit(&s);
	return object;
}

/* Hexadecimal of up to `max` bytes. */
static int unpack_bytes(const json_t *object, const char *key, void *bytes, size_t max, uint16_t *n, const char *where,
			struct runtime_error *e)
{
	const json_t *text = json_object_get(object, key);
	size_t len = json_string_length(text) / 2;

	*n = (uint16_t)len;
	if (len <= max && handover_unhex(text, bytes, len))
		return 0;
	return runtime_fail(e, -EPROTO, "", "%s: \"%s\" is not hexadecimal of up to %zu bytes", where, key, max);
}

static int unpack_channel(const json_t *object, struct vhost_channel_state *s, const struct handover_fds *fds,
			  const char *where, struct runtime_error *e)
{
	int err = handover_unpack(&channel_form, object, s, fds, where, e);

	return err ? err : unpack_bytes(object, "answer", s->answer, sizeof(s->answer), &s->n_answer, where, e);
}

/* The caller releases `s`, whatever the result. */
static int read_vhost(const json_t *object, struct vhost_backend_state *s, const struct handover_fds *fds,
		      const char *where, struct runtime_error *e)
{
	int err = handover_unpack(&vhost_form, object, s, fds, where, e);

	if (err)
		return err;
	s->regions = calloc(GUEST_MEM_REGIONS_MAX, sizeof(s->regions[0]));
	if (!s->regions)
		return runtime_fail(e, -ENOMEM, "", "out of memory");
	err =
	    handover_unpack(&handover_listener_form, json_object_get(object, "listener"), &s->listener, fds, where, e);
	if (!err)
		err = unpack_bytes(object, "message", s->message, sizeof(s->message), &s->n_message, where, e);
	if (!err)
		err = unpack_fds(json_object_get(object, "message_fds"), s->message_fds, VHOST_USER_FDS_MAX,
				 &s->n_message_fds, fds, where, e);
	if (!err)
		err = unpack_channel(json_object_get(object, "channel"), &s->channel, fds, where, e);
	if (!err)
		err = handover_unpack(&region_form, json_object_get(object, "log"), &s->log, fds, where, e);
	if (!err)
		err = handover_unpack(&inflight_form, json_object_get(object, "inflight"), &s->inflight, fds, where, e);
	if (!err)
		err = unpack_list(&region_form, json_object_get(object, "regions"), s->regions, GUEST_MEM_REGIONS_MAX,
				  sizeof(s->regions[0]), &s->n_regions, fds, where, e);
	if (!err)
		err = unpack_list(&ring_form, json_object_get(object, "rings"), s->rings, VHOST_RINGS_MAX,
				  sizeof(s->rings[0]), &s->n_rings, fds, where, e);
	return err;
}

static int resume_vhost(struct runtime *rt, const char *network, const struct port_config *c,
			struct runtime_port_state *s, const json_t *object, const struct handover_fds *fds,
			const char *where, struct runtime_error *e)
{
	struct vhost_backend_state *vhost = calloc(1, sizeof(*vhost));
	int err;

	if (!vhost)
		return runtime_fail(e, -ENOMEM, "", "out of memory");
	err = read_vhost(object, vhost, fds, where, e);
	s->vhost = vhost;
	if (!err)
		err = runtime_port_resume(rt, network, c, s, e);
	vhost_backend_state_deinit(vhost);
	free(vhost);
	return err;
}

/* State: tap */

static json_t *save_tap(const struct port *port, struct handover_fds *fds)
{
	struct port_tap_state s;
	json_t *object;

	port_tap_save(port, &s);
	object = handover_pack(&tap_form, &s, fds);
	json_object_set_new(object, "fds", pack_fds(s.fds, s.n_queues, fds));
	return object;
}

static int resume_tap(struct runtime *rt, const char *network, const struct port_config *c,
		      struct runtime_port_state *s, const json_t *object, const struct handover_fds *fds,
		      const char *where, struct runtime_error *e)
{
	struct port_tap_state tap = { 0 };
	int err = handover_unpack(&tap_form, object, &tap, fds, where, e);

	if (!err)
		err =
		    unpack_fds(json_object_get(object, "fds"), tap.fds, PORT_QUEUES_MAX, &tap.n_queues, fds, where, e);
	s->tap = &tap;
	if (!err)
		err = runtime_port_resume(rt, network, c, s, e);
	s->tap = NULL;
	return err;
}

/* State: any */

json_t *handover_port_save(const struct runtime_port *rp, struct handover_fds *fds, struct runtime_error *e)
{
	const struct runtime_port_state s = { .id = rp->port->id, .created_ns = rp->created_ns };
	json_t *object = handover_pack(&port_form, &s, fds);
	json_t *device = NULL;

	switch (rp->config.type) {
	case PORT_TYPE_VHOST_USER:
		device = save_vhost(rp->port, fds, e);
		break;
	case PORT_TYPE_TAP:
		device = save_tap(rp->port, fds);
		break;
	case N_PORT_TYPES:
		break;
	}
	json_object_set_new(object, "type", json_string(port_type_name(rp->config.type)));
	if (device && json_object_set_new(object, "device", device) == 0)
		return object;
	json_decref(object);
	return NULL;
}

int handover_port_resume(struct runtime *rt, const char *network, const struct port_config *c, const json_t *state,
			 const struct handover_fds *fds, struct runtime_error *e)
{
	const json_t *device = json_object_get(state, "device");
	struct runtime_port_state s = { 0 };
	char where[64];
	int err;

	snprintf(where, sizeof(where), "port %s", c->name);
	err = handover_unpack(&port_form, state, &s, fds, where, e);
	if (err)
		return err;
	switch (c->type) {
	case PORT_TYPE_VHOST_USER:
		return resume_vhost(rt, network, c, &s, device, fds, where, e);
	case PORT_TYPE_TAP:
		return resume_tap(rt, network, c, &s, device, fds, where, e);
	case N_PORT_TYPES:
		break;
	}
	return runtime_fail(e, -EPROTO, "", "%s: cannot be taken over", where);
}

/* Places */

static json_t *vhost_places_json(const struct port_vhost_places *p)
{
	json_t *object = handover_pack(&places_form, p->backend, NULL);

	json_object_set_new(object, "announcement", handover_pack(&announce_form, p, NULL));
	json_object_set_new(object, "rings",
			    pack_list(&place_form, p->backend->rings, p->backend->n_rings, sizeof(p->backend->rings[0]),
				      NULL));
	return object;
}

static json_t *save_vhost_places(struct port *port)
{
	struct vhost_backend_places backend;
	struct port_vhost_places p = { .backend = &backend };

	port_vhost_save_places(port, &p);
	return vhost_places_json(&p);
}

static int vhost_go_on(struct port *port, const json_t *object, const char *where, struct runtime_error *e)
{
	static const struct handover_fds none;
	struct vhost_backend_places backend = { 0 };
	struct port_vhost_places p = { .backend = &backend };
	char text[256] = "";
	int err = handover_unpack(&places_form, object, &backend, &none, where, e);

	if (!err)
		err = handover_unpack(&announce_form, json_object_get(object, "announcement"), &p, &none, where, e);
	if (!err)
		err = unpack_list(&place_form, json_object_get(object, "rings"), backend.rings, VHOST_RINGS_MAX,
				  sizeof(backend.rings[0]), &backend.n_rings, &none, where, e);
	if (err)
		return err;
	err = port_vhost_go_on(port, &p, text, sizeof(text));
	return err ? runtime_fail(e, err, "", "%s", text) : 0;
}

static json_t *save_counters(const struct port *port)
{
	json_t *queues = json_array();

	for (unsigned q = 0; q < port->n_queues; q++)
		json_array_append_new(queues, json_pack("{s:o, s:o}", "rx", counters_to_json(&port->queues[q].rx), "tx",
							counters_to_json(&port->queues[q].tx)));
	return queues;
}

static void resume_counters(struct port *port, const json_t *queues)
{
	for (unsigned q = 0; q < port->n_queues; q++) {
		const json_t *queue = json_array_get(queues, q);

		counters_from_json(json_object_get(queue, "rx"), &port->queues[q].rx);
		counters_from_json(json_object_get(queue, "tx"), &port->queues[q].tx);
	}
}

json_t *handover_port_save_places(const struct runtime_port *rp)
{
	json_t *device = rp->config.type == PORT_TYPE_VHOST_USER ? save_vhost_places(rp->port) : json_null();

	return json_pack("{s:o, s:o}", "counters", save_counters(rp->port), "device", device);
}

int handover_port_go_on(struct runtime_port *rp, const json_t *places, struct runtime_error *e)
{
	static const struct handover_fds none;
	char where[64], nothing;
	int err;

	snprintf(where, sizeof(where), "port %s", rp->config.name);
	err = handover_unpack(&port_places_form, places, &nothing, &none, where, e);
	if (!err)
		resume_counters(rp->port, json_object_get(places, "counters"));
	if (!err && rp->config.type == PORT_TYPE_VHOST_USER)
		err = vhost_go_on(rp->port, json_object_get(places, "device"), where, e);
	return err;
}
