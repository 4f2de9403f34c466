/* SPDX-License-Identifier: Apache-2.0 */
/* api_stats.c - Feature bits as JSON, and /api/stats. */
#include "base/clock.h"
#include "control/api_route.h"
#include "control/counters_json.h"
#include "control/runtime.h"
#include "port/port.h"

/* VIRTIO 1.2, 5.1.3 (0..23, 52..63) and 6 (24..41); vhost-user.rst for 26 and 30. 54..56 are USO of VIRTIO 1.3. */
static const char *const feature_names[64] = {
	[0] = "csum",
	[1] = "guest_csum",
	[2] = "ctrl_guest_offloads",
	[3] = "mtu",
	[5] = "mac",
	[6] = "gso",
	[7] = "guest_tso4",
	[8] = "guest_tso6",
	[9] = "guest_ecn",
	[10] = "guest_ufo",
	[11] = "host_tso4",
	[12] = "host_tso6",
	[13] = "host_ecn",
	[14] = "host_ufo",
	[15] = "mrg_rxbuf",
	[16] = "status",
	[17] = "ctrl_vq",
	[18] = "ctrl_rx",
	[19] = "ctrl_vlan",
	[20] = "ctrl_rx_extra",
	[21] = "guest_announce",
	[22] = "mq",
	[23] = "ctrl_mac_addr",
	[24] = "notify_on_empty",
	[26] = "log_all",
	[27] = "any_layout",
	[28] = "indirect_desc",
	[29] = "event_idx",
	[30] = "protocol_features",
	[32] = "version_1",
	[33] = "access_platform",
	[34] = "ring_packed",
	[35] = "in_order",
	[36] = "order_platform",
	[37] = "sr_iov",
	[38] = "notification_data",
	[39] = "notif_config_data",
	[40] = "ring_reset",
	[52] = "vq_notf_coal",
	[53] = "notf_coal",
	[54] = "guest_uso4",
	[55] = "guest_uso6",
	[56] = "host_uso",
	[57] = "hash_report",
	[59] = "guest_hdrlen",
	[60] = "rss",
	[61] = "rsc_ext",
	[62] = "standby",
	[63] = "speed_duplex",
};

json_t *api_feature_names(uint64_t features)
{
	json_t *list = json_array();

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(features >> bit & 1))
			continue;
		json_array_append_new(list, feature_names[bit] ? json_string(feature_names[bit])
							       : json_sprintf("bit_%u", bit));
	}
	return list;
}

static json_t *port_stats(const struct runtime_port *p)
{
	struct port_counters rx, tx;

	port_counters_sum(p->port, &rx, &tx);
	return json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", p->config.name, "network", p->network->name, "connected",
			 p->port->link_up, "rx", counters_to_json(&rx), "tx", counters_to_json(&tx));
}

/* `time_ns` is the monotonic clock: rates are differences of two answers. */
void api_get_stats(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime *rt = rq->ctx->rt;
	const char *name = api_query(rq, "port");
	const struct runtime_port *only = name ? runtime_port_find(rt, name) : NULL;
	json_t *list;

	if (name && !only) {
		api_problem(rp, 404, "port", "there is no port called '%.*s'", PORT_NAME_MAX, name);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < runtime_n_networks(rt); i++) {
		const struct runtime_network *n = runtime_network_at(rt, i);

		for (size_t k = 0; k < n->n_ports; k++)
			if (!only || only == n->ports[k])
				json_array_append_new(list, port_stats(n->ports[k]));
	}
	api_ok(rp, json_pack("{s:I, s:o}", "time_ns", (json_int_t)clock_ns(), "ports", list));
}
