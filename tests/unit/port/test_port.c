/*
 * Ports: the plan on made-up device descriptions, and real virtual devices that need no privileges:
 * net_null, and a pair of rings with packets through it. Every test ends with the pools full.
 */
#include "kit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_thash.h>
#include <rte_version.h>

#include "port/port.h"

static char err[256];

static struct rte_eth_dev_info nic(void)
{
	return (struct rte_eth_dev_info){
		.max_mtu = 9000,
		.max_rx_queues = 8,
		.max_tx_queues = 4,
		.rx_offload_capa = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
				   RTE_ETH_RX_OFFLOAD_SCATTER,
		.tx_offload_capa = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
				   RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_TSO |
				   RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
		.reta_size = 128,
		.hash_key_size = 40,
		.flow_type_rss_offloads = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP,
		.rx_desc_lim = {.nb_max = 4096, .nb_min = 64, .nb_align = 32},
		.tx_desc_lim = {.nb_max = 512, .nb_min = 64, .nb_align = 1},
	};
}

static struct port_config defaults(void)
{
	struct port_config c;

	option_defaults(&port_option_table, &c);
	return c;
}

static bool noted(const struct port_plan *p, enum port_note n)
{
	return p->notes & 1u << n;
}

static void plan_of_a_nic(void **state)
{
	const struct rte_eth_dev_info info = nic();
	struct port_config c = defaults();
	struct port_plan p;

	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_true(p.rx_csum && p.tx_ip_csum && p.tx_tcp_csum && p.multi_seg);
	assert_int_equal(p.tx_mode, PKT_TX_HOLDS);
	assert_int_equal(p.queues, 2);
	assert_true(p.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP);
	assert_int_equal(p.rx_desc, 1024);
	assert_int_equal(p.tx_desc, 512);
	assert_int_equal(p.rx_offloads,
			 RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
	assert_int_equal(p.tx_offloads, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
						RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
						RTE_ETH_TX_OFFLOAD_MULTI_SEGS |
						RTE_ETH_TX_OFFLOAD_TCP_TSO);
	assert_int_equal(p.tso_mbufs, 64);
	assert_int_equal(p.notes, 1 << PORT_NOTE_DESC_CUT);

	assert_true(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.rss_hf, 0); /* one queue */
	assert_true(port_plan(&info, "net_ixgbe", &c, 6, &p, err, sizeof(err)));
	assert_int_equal(p.queues, 4); /* the tx queues there are */
	assert_true(noted(&p, PORT_NOTE_QUEUES_CUT));
	c.queues = 3;
	c.rx_desc = 33;
	assert_true(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.queues, 3);
	assert_int_equal(p.rx_desc, 64); /* aligned */
}

static void plan_without_offloads(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct port_config c = defaults();
	struct port_plan p;

	c.checksum = c.tso = PORT_OFFLOAD_OFF;
	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_false(p.rx_csum || p.tx_ip_csum || p.tx_tcp_csum);
	assert_int_equal(p.rx_offloads, 0);
	assert_int_equal(p.tx_offloads, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	assert_true(noted(&p, PORT_NOTE_CSUM_CONFIG));
	assert_false(noted(&p, PORT_NOTE_TSO_UNUSED));

	info.rx_offload_capa = info.tx_offload_capa = 0;
	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_false(noted(&p, PORT_NOTE_CSUM_CONFIG)); /* there was nothing to switch off */
	assert_false(p.multi_seg);
}

/* What the device takes in a packet, and what of a ring; checksums and chains there have to be. */
static void plan_of_segmentation(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct port_config c = defaults();
	struct port_plan p;

	info.tx_desc_lim.nb_seg_max = 40;
	assert_true(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.tso_mbufs, 20);
	c.tx_desc = 64;
	assert_true(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.tso_mbufs, 16);
	c.tso = PORT_OFFLOAD_OFF;
	assert_true(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.tso_mbufs, 0);
	assert_false(p.tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO || noted(&p, PORT_NOTE_TSO_UNUSED));

	c = defaults();
	info.tx_desc_lim.nb_seg_max = 7;
	for (int i = 0; i < 4; i++) {
		assert_true(port_plan(&info, i == 3 ? "net_tap" : "net_ixgbe", &c, 1, &p, err, sizeof(err)));
		assert_int_equal(p.tso_mbufs, 0);
		assert_false(p.tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO);
		assert_true(noted(&p, PORT_NOTE_TSO_UNUSED));
		info = nic();
		info.tx_offload_capa &= ~(uint64_t)(i == 0 ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS :
						    i == 1 ? RTE_ETH_TX_OFFLOAD_TCP_CKSUM : 0);
	}
}

/* net_memif's chains spoil its ring in later releases of DPDK; other drivers' do not. */
static void plan_of_chains_that_spoil(void **state)
{
	const bool spoils = RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0);
	struct rte_eth_dev_info info = nic();
	struct port_config c = defaults();
	struct port_plan p;

	assert_true(port_plan(&info, "net_memif", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.multi_seg, !spoils);
	assert_int_equal(noted(&p, PORT_NOTE_CHAINS_SPOIL), spoils);
	assert_int_equal(!(p.tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS), spoils);
	assert_true(port_plan(&info, "net_vhost", &c, 1, &p, err, sizeof(err)));
	assert_true(p.multi_seg && !noted(&p, PORT_NOTE_CHAINS_SPOIL));
}

static void plan_of_drivers_known(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct port_config c = defaults();
	struct port_plan p;

	info.reta_size = 0;
	assert_true(port_plan(&info, "net_tap", &c, 2, &p, err, sizeof(err)));
	assert_false(p.rx_csum || p.tx_ip_csum || p.tx_tcp_csum);
	assert_true(p.multi_seg);
	assert_int_equal(p.rss_hf, 0);
	assert_int_equal(p.tx_mode, PKT_TX_COPIES);
	assert_true(noted(&p, PORT_NOTE_CSUM_EMULATED));
	assert_true(noted(&p, PORT_NOTE_RSS_UNBELIEVED));
	assert_true(noted(&p, PORT_NOTE_MAC_SHARED));

	c.mtu = 1500;
	assert_true(port_plan(&info, "net_ring", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.tx_mode, PKT_TX_GIVES_AWAY);
	assert_true(noted(&p, PORT_NOTE_MTU_FIXED));
	assert_true(port_plan(&info, "net_af_packet", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.tx_mode, PKT_TX_COPIES);
	assert_true(noted(&p, PORT_NOTE_CSUM_UNMARKED));
	assert_int_equal(port_tx_mode("net_memif"), PKT_TX_COPIES);
	assert_int_equal(port_tx_mode("net_virtio_user"), PKT_TX_HOLDS);
	assert_int_equal(port_tx_mode("net_af_xdp"), PKT_TX_HOLDS);
}

static void plan_refused(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct port_config c = defaults();
	struct port_plan p;

	c.mtu = 9001;
	assert_false(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
	assert_non_null(strstr(err, "9000"));
	info.max_mtu = UINT16_MAX; /* it names a frame instead, as net_tap does */
	info.max_rx_pktlen = 1522;
	c.mtu = 1505;
	assert_false(port_plan(&info, "net_tap", &c, 1, &p, err, sizeof(err)));
	assert_non_null(strstr(err, "1504"));
	c.mtu = 1504;
	assert_true(port_plan(&info, "net_tap", &c, 1, &p, err, sizeof(err)));
	c.mtu = 575;
	assert_false(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
	c.mtu = 0;
	info.max_rx_queues = 0;
	assert_false(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
}

/* Which way packets come to their worker, and that the reason is said. */
static void steering(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct port_config c = defaults();
	struct port_plan p;

	assert_true(port_plan(&info, "net_ixgbe", &c, 1, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_NONE);
	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_RSS);
	assert_true(port_plan(&info, "net_ixgbe", &c, 4, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_RSS);
	assert_true(port_plan(&info, "net_ixgbe", &c, 5, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE); /* four queues */
	assert_true(noted(&p, PORT_NOTE_RSS_FEW));
	c.steering = PORT_STEER_RSS; /* which is not to be had */
	assert_true(port_plan(&info, "net_ixgbe", &c, 5, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	assert_true(noted(&p, PORT_NOTE_STEER_REFUSED));
	c.steering = PORT_STEER_AUTO;
	info.hash_key_size = 0;
	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	assert_true(noted(&p, PORT_NOTE_RSS_UNKNOWN));
	info.hash_key_size = 40;
	info.reta_size = 96; /* no power of two */
	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	info.reta_size = 2 * PORT_RETA_MAX;
	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	info.reta_size = 128;
	c.steering = PORT_STEER_SOFTWARE;
	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	assert_true(noted(&p, PORT_NOTE_STEER_CONFIG));
	c.steering = PORT_STEER_ARRIVAL; /* which this one does not keep */
	assert_true(port_plan(&info, "net_ixgbe", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_RSS);
	assert_true(noted(&p, PORT_NOTE_STEER_REFUSED));
}

static void steering_of_a_tap(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct port_config c = defaults();
	struct port_plan p;

	info.reta_size = 0;
	assert_true(port_plan(&info, "net_tap", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_ARRIVAL);
	assert_true(noted(&p, PORT_NOTE_PINNED));
	c.opens = true;
	assert_true(port_plan(&info, "net_tap", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	assert_true(noted(&p, PORT_NOTE_PINNED_OPENS));
	c.opens = false;
	c.queues = 1;
	assert_true(port_plan(&info, "net_tap", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	assert_true(noted(&p, PORT_NOTE_PINNED_FEW));
	assert_true(port_plan(&info, "net_ring", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	/* memif: a queue that the peer does not have would write into another's ring. */
	c.queues = 0;
	assert_true(port_plan(&info, "net_memif", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.queues, 1);
	assert_true(noted(&p, PORT_NOTE_QUEUES_PEER));
	c.queues = 2;
	assert_true(port_plan(&info, "net_memif", &c, 2, &p, err, sizeof(err)));
	assert_int_equal(p.queues, 2);
	assert_false(noted(&p, PORT_NOTE_QUEUES_PEER));
}

static void preflight(void **state)
{
	char folder[] = "/tmp/test_port.XXXXXX", device[128];

	assert_true(port_preflight("0000:03:00.0", err, sizeof(err)));
	assert_true(port_preflight("net_memif0,role=server,socket=/tmp/none/x.sock", err, sizeof(err)));
	assert_false(port_preflight("net_memif0,socket=/tmp/none/x.sock", err, sizeof(err)));
	assert_non_null(strstr(err, "role=server"));
	assert_false(
		port_preflight("net_memif0,role=server,socket-abstract=no,socket=x.sock", err, sizeof(err)));
	assert_non_null(strstr(err, "absolute"));
	assert_non_null(mkdtemp(folder));
	snprintf(device, sizeof(device), "net_memif0,role=server,socket=%s/x,socket-abstract=no", folder);
	assert_true(port_preflight(device, err, sizeof(err)));
	assert_int_equal(rmdir(folder), 0);
	assert_false(port_preflight(device, err, sizeof(err)));
	assert_non_null(strstr(err, "mkdir -p"));
	if (access("/dev/net/tun", R_OK | W_OK)) {
		assert_false(port_preflight("net_tap0", err, sizeof(err)));
		assert_non_null(strstr(err, "modprobe"));
		return;
	}
	assert_true(port_preflight("net_tap0,iface=test_port_none", err, sizeof(err)));
	assert_false(port_preflight("net_tap0,mac=fixed,iface=lo", err, sizeof(err)));
	assert_non_null(strstr(err, "ip link delete lo"));
	assert_false(port_preflight("net_tap0,iface=sixteen_is_beyond", err, sizeof(err)));
	assert_non_null(strstr(err, "15 characters"));
}

/* A socket bound to path, -1: none. */
static int bound(const char *path, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Another process that listens; ended by other_ends. */
static pid_t other_listens(const char *path, int type)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (listen(bound(path, type), 1) == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_true(pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void other_ends(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The servers of one process share a memif's socket: they differ by id. */
static void preflight_of_a_socket_of_ours(void **state)
{
	char folder[] = "/tmp/test_port.XXXXXX", path[64], server[128];
	int fd;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	fd = bound(path, SOCK_SEQPACKET);
	assert_int_equal(listen(fd, 1), 0);
	snprintf(server, sizeof(server), "net_memif1,role=server,id=1,socket-abstract=no,socket=%s", path);
	assert_true(port_preflight(server, err, sizeof(err)));
	snprintf(server, sizeof(server), "net_memif1,role=master,id=1,socket-abstract=no,socket=%s", path);
	assert_true(port_preflight(server, err, sizeof(err)));
	snprintf(server, sizeof(server), "net_vhost0,iface=%s", path);
	assert_false(port_preflight(server, err, sizeof(err)));
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

/* Somebody listens: not a server. Nobody does: not a client; a server takes the dead one's place. */
static void preflight_of_sockets(void **state)
{
	static const struct {
		const char *server, *client;
		int type;
	} rows[] = {
		{"net_memif0,role=server,socket-abstract=no,socket=%s", "net_memif0,socket-abstract=no,socket=%s",
		 SOCK_SEQPACKET},
		{"net_vhost0,iface=%s", "net_virtio_user0,path=%s", SOCK_STREAM},
	};
	char folder[] = "/tmp/test_port.XXXXXX", path[64], server[128], client[128];
	pid_t other;
	int fd;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(server, sizeof(server), rows[i].server, path);
		snprintf(client, sizeof(client), rows[i].client, path);
		assert_true(port_preflight(server, err, sizeof(err)));
		assert_false(port_preflight(client, err, sizeof(err)));
		other = other_listens(path, rows[i].type);
		assert_false(port_preflight(server, err, sizeof(err)));
		assert_non_null(strstr(err, path));
		assert_non_null(strstr(err, "another process listens"));
		assert_true(port_preflight(client, err, sizeof(err)));
		other_ends(other);
		assert_true(port_preflight(server, err, sizeof(err)));
		assert_false(port_preflight(client, err, sizeof(err)));
		assert_non_null(strstr(err, "nobody listens"));
		assert_int_equal(access(path, F_OK), 0); /* looking removes nothing */
		assert_int_equal(unlink(path), 0);
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		assert_false(port_preflight(server, err, sizeof(err)));
		assert_non_null(strstr(err, "no socket"));
		close(fd);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(folder), 0);
}

static struct port_pools pools(void)
{
	const struct port_pools_config cfg = {"test", 2047, 511, 1500, SOCKET_ID_ANY};
	struct port_pools p;

	assert_true(port_pools_create(&cfg, &p, err, sizeof(err)));
	return p;
}

static void pools_count(void **state)
{
	struct port_pools_config cfg = {"big", 100000000, 511, 1500, SOCKET_ID_ANY};
	struct port_pools p = pools(), q;
	struct rte_mbuf *m = rte_pktmbuf_alloc(p.data), *r = rte_pktmbuf_alloc(p.indirect);

	assert_true(rte_pktmbuf_data_room_size(p.data) >= PORT_DATA_ROOM);
	assert_int_equal(rte_pktmbuf_data_room_size(p.indirect), 0);
	assert_true(port_mbuf_bytes(9000) >= 9000 + port_mbuf_bytes(1500) - PORT_DATA_ROOM);
	assert_int_equal(port_pools_in_use(&p), 2);
	rte_pktmbuf_free(m);
	assert_int_equal(port_pools_in_use(&p), 1);
	rte_pktmbuf_free(r);
	assert_false(port_pools_create(&cfg, &q, err, sizeof(err)));
	assert_non_null(strstr(err, "100000000"));
	assert_int_equal(port_pools_destroy(&p), 0);
}

static void null_port(void **state)
{
	struct port_config c = defaults();
	struct port_pools p = pools();
	char device[] = "net_null0,copy=1", mac[] = "02:00:00:00:00:77",
	     bad[] = "01:00:00:00:00:00";
	struct port port;
	struct rte_mbuf *m[32];
	uint16_t n;
	FILE *f = tmpfile();

	c.device = device;
	c.mac = bad;
	assert_false(port_open(&c, 1, true, &p, &port, err, sizeof(err)));
	assert_non_null(strstr(err, "mac = 01"));
	assert_int_equal(rte_eth_dev_count_total(), 0); /* nothing left behind */

	c.mac = mac;
	assert_true(port_open(&c, 1, true, &p, &port, err, sizeof(err)));
	assert_int_equal(port.cap.mac[5], 0x77);
	assert_int_equal(port.cap.mtu, 1500);
	assert_int_equal(port.cap.tx_mode, PKT_TX_COPIES);
	assert_int_equal(port.cap.id, port.id);
	assert_true(port_link_up(&port));
	port_plan_print(&port, f);
	assert_true(ftell(f) > 100);
	fclose(f);
	n = rte_eth_rx_burst(port.id, 0, m, 32);
	assert_int_equal(n, 32);
	assert_int_equal(rte_eth_tx_burst(port.id, 0, m, n), 32);
	port_close(&port);
	assert_int_equal(rte_eth_dev_count_total(), 0);
	assert_int_equal(port_pools_destroy(&p), 0);
}

static void selection(void **state)
{
	struct port_config c = defaults();
	struct port_pools p = pools();
	char none[] = "net_nothing0,x=1", id[] = "0", name[] = "net_null3",
	     args[] = "net_null3,copy=1";
	struct port port, again;

	assert_false(port_open(&c, 1, false, &p, &port, err, sizeof(err)));
	assert_non_null(strstr(err, "neither"));
	c.device = none;
	assert_false(port_open(&c, 1, false, &p, &port, err, sizeof(err)));
	c.device = id;
	assert_false(port_open(&c, 1, false, &p, &port, err, sizeof(err)));
	assert_non_null(strstr(err, "0 ports"));
	c.device = name;
	assert_true(port_open(&c, 1, false, &p, &port, err, sizeof(err)));
	c.device = args;
	assert_false(port_open(&c, 1, false, &p, &again, err, sizeof(err)));
	assert_non_null(strstr(err, "no effect"));
	c.device = id;
	assert_false(port_open(&c, 1, false, &p, &again, err, sizeof(err)));
	assert_non_null(strstr(err, "in use"));
	assert_true(rte_eth_dev_is_valid_port(port.id)); /* it was not theirs to close */
	port_close(&port);
	assert_int_equal(port_pools_destroy(&p), 0);
}

static void ring_pair(void **state)
{
	struct port_config c = defaults();
	struct port_pools p = pools();
	char pair[] = "wire", b_end[] = "wireb", wrong[] = "wirec", jumbo[] = "jumbo";
	struct port a, b;
	struct rte_mbuf *m, *got[4];

	c.ring_pair = pair;
	c.device = wrong;
	assert_false(port_open(&c, 1, false, &p, &a, err, sizeof(err)));
	c.device = NULL;
	assert_true(port_open(&c, 1, false, &p, &a, err, sizeof(err)));
	c.device = b_end;
	assert_true(port_open(&c, 1, false, &p, &b, err, sizeof(err)));
	assert_int_equal(rte_eth_dev_count_total(), 2);
	assert_int_equal(a.cap.tx_mode, PKT_TX_GIVES_AWAY);
	assert_int_equal(a.cap.mac[0] & 3, 2); /* made up: unicast, locally administered */
	assert_memory_not_equal(a.cap.mac, b.cap.mac, 6);

	m = rte_pktmbuf_alloc(p.data);
	assert_int_equal(rte_eth_tx_burst(a.id, 0, &m, 1), 1);
	assert_int_equal(rte_eth_rx_burst(a.id, 0, got, 4), 0);
	assert_int_equal(rte_eth_rx_burst(b.id, 0, got, 4), 1);
	assert_ptr_equal(got[0], m); /* the very mbuf */
	assert_int_equal(rte_eth_tx_burst(b.id, 0, got, 1), 1);
	/* It stays in the ring, also when its sender is gone, until both ends are. */
	port_close(&b);
	assert_int_equal(rte_eth_rx_burst(a.id, 0, got, 4), 1);
	assert_int_equal(rte_eth_tx_burst(a.id, 0, got, 1), 1);
	port_close(&a);
	assert_int_equal(rte_eth_dev_count_total(), 0);
	assert_null(rte_ring_lookup("wire_a_0"));

	/* An end that was never opened goes with the one that was. */
	c.device = NULL;
	c.ring_pair = jumbo;
	c.mtu = 9000;
	assert_false(port_open(&c, 1, false, &p, &a, err, sizeof(err)));
	assert_non_null(strstr(err, "does not fit"));
	assert_int_equal(rte_eth_dev_count_total(), 0);
	assert_null(rte_ring_lookup("jumbo_b_0"));
	assert_int_equal(port_pools_destroy(&p), 0);
}

/* As long as the device says, another one at each start, and none where it says no length. */
static void DOS_11_a_new_key_each_time(void **state)
{
	static const uint8_t sizes[] = {40, 52, 255};
	struct rte_eth_dev_info info = nic();
	struct rte_eth_rss_conf conf;
	uint8_t key[2][PORT_RSS_KEY_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(key, 0, sizeof(key));
		info.hash_key_size = sizes[i];
		for (int start = 0; start < 2; start++) {
			assert_true(port_rss(&info, RTE_ETH_RSS_NONFRAG_IPV4_TCP, key[start],
					     &conf));
			assert_ptr_equal(conf.rss_key, key[start]);
			assert_int_equal(conf.rss_key_len, sizes[i]);
			assert_int_equal(conf.rss_hf, RTE_ETH_RSS_NONFRAG_IPV4_TCP);
		}
		/* Equal eight octets at either end: once in 2^64 runs. */
		assert_memory_not_equal(key[0], key[1], 8);
		assert_memory_not_equal(key[0] + sizes[i] - 8, key[1] + sizes[i] - 8, 8);
	}
	info.hash_key_size = 0;
	assert_true(port_rss(&info, RTE_ETH_RSS_NONFRAG_IPV4_TCP, key[0], &conf));
	assert_null(conf.rss_key);
	assert_int_equal(conf.rss_hf, RTE_ETH_RSS_NONFRAG_IPV4_TCP);
}

/* Ports, each a step behind the last: each value of the hash's lowest bits is there as often. */
static void expect_spread(const uint8_t *key, unsigned int words, unsigned int shift, unsigned int low,
			  unsigned int step)
{
	const unsigned int spare = 1u << PORT_KEY_SPARE, ports = spare << low;
	uint32_t tuple[9] = {0xfd000018, 0, 0, 0xc6120001, 0xfd000018, 0, 0, 0xc6120002};
	unsigned int seen[64] = {0};

	for (unsigned int i = 0; i < ports; i++) {
		tuple[words - 1] = 0x50000007 & ~(0xffffu << shift);
		tuple[words - 1] |= i * step << shift;
		seen[rte_softrss(tuple, words, key) & ((1u << low) - 1)]++;
	}
	for (unsigned int v = 0; v < 1u << low; v++)
		assert_int_equal(seen[v], spare);
}

static void expect_all_spread(const uint8_t *key)
{
	for (unsigned int low = 1; low <= 6; low++)
		for (unsigned int bit = 0; bit + low + PORT_KEY_SPARE <= 16; bit++) {
			for (unsigned int words = 3; words <= 9; words += 6) { /* IPv4, IPv6 */
				expect_spread(key, words, 0, low, 1u << bit);
				expect_spread(key, words, 16, low, 1u << bit);
			}
		}
}

/* Ports in a row, or every second one, as kernels choose them, have all workers, whatever the key. */
static void keys_spread_ports_in_a_row(void **state)
{
	uint8_t key[40], poor[40];

	for (unsigned int n = 0; n < 50; n++) {
		assert_true(port_key_draw(key, sizeof(key)));
		expect_all_spread(key);
		assert_true(port_key_spreads(key, sizeof(key)));
		/* Without the bits that meet a port, or the low ones of it; of IPv6 the same, if they are there. */
		for (unsigned int at = 0; at <= 24; at += 24) {
			memcpy(poor, key, sizeof(poor));
			memset(poor + at + 11, 0, 3);
			assert_false(port_key_spreads(poor, sizeof(poor)));
			assert_int_equal(port_key_spreads(poor, 16), at != 0);
			memcpy(poor, key, sizeof(poor));
			memset(poor + at + 14, 0, 2);
			assert_false(port_key_spreads(poor, sizeof(poor)));
			assert_int_equal(port_key_spreads(poor, 39), at != 0);
		}
	}
	memset(poor, 0xff, sizeof(poor));
	assert_false(port_key_spreads(poor, sizeof(poor)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_spread_ports_in_a_row),
		cmocka_unit_test(DOS_11_a_new_key_each_time),
		cmocka_unit_test(plan_of_a_nic),
		cmocka_unit_test(plan_without_offloads),
		cmocka_unit_test(plan_of_segmentation),
		cmocka_unit_test(plan_of_chains_that_spoil),
		cmocka_unit_test(plan_of_drivers_known),
		cmocka_unit_test(plan_refused),
		cmocka_unit_test(steering),
		cmocka_unit_test(steering_of_a_tap),
		cmocka_unit_test(preflight),
		cmocka_unit_test(preflight_of_sockets),
		cmocka_unit_test(preflight_of_a_socket_of_ours),
		cmocka_unit_test(pools_count),
		cmocka_unit_test(null_port),
		cmocka_unit_test(selection),
		cmocka_unit_test(ring_pair),
	};

	return cmocka_run_group_tests(tests, kit_eal, kit_eal_end);
}
