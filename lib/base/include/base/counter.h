/*
 * Counters and drop reasons. One list makes the enum, the names, the help texts and the fields that
 * telemetry shows. Each worker has one block and is its only writer; readers see values that may be
 * a turn old, never torn.
 *
 * Every packet that is not used is counted once under exactly one DROP counter: of received
 * packets, rx_packets = packets used + the sum of the rx_* drops.
 */
#ifndef PIER_BASE_COUNTER_H
#define PIER_BASE_COUNTER_H

#include <stdint.h>

#include "base/compiler.h"

/* X(NAME, name, help). Received packets that were not used; first in the enum. */
#define COUNTER_RX_DROPS(X)                                                                        \
	X(RX_RUNT, rx_runt, "frame shorter than its headers")                                      \
	X(RX_FOREIGN_MAC, rx_foreign_mac, "frame for another unicast MAC address")                 \
	X(RX_L3_UNKNOWN, rx_l3_unknown, "EtherType that is neither IPv4, IPv6 nor ARP")            \
	X(RX_VLAN, rx_vlan, "tagged frame; no VLAN is configured")                                 \
	X(RX_ARP_BAD, rx_arp_bad, "malformed ARP packet, or an impossible sender")                 \
	X(RX_ARP_IGNORED, rx_arp_ignored, "ARP that concerns somebody else")                       \
	X(RX_ND_BAD, rx_nd_bad, "IPv6 neighbour discovery that fails a check of RFC 4861")         \
	X(RX_ND_IGNORED, rx_nd_ignored, "IPv6 neighbour or router discovery that asks for nothing here") \
	X(RX_IP_BAD, rx_ip_bad, "IPv4 header with a bad version, length or option")                \
	X(RX_IP_CSUM_BAD, rx_ip_csum_bad, "IPv4 header checksum wrong")                            \
	X(RX_IP_CUT, rx_ip_cut, "IP length beyond the frame: it arrived cut")                      \
	X(RX_IP_SOURCE_ROUTE, rx_ip_source_route, "IPv4 source routing, refused (RFC 7126)")       \
	X(RX_IP6_EXT, rx_ip6_ext, "IPv6 extension header that is cut, out of place or one too many") \
	X(RX_IP6_OPTION, rx_ip6_option, "IPv6 option that is not known and asks to be dropped")    \
	X(RX_IP6_ROUTE, rx_ip6_route, "IPv6 routing header with segments left, refused (RFC 5095)") \
	X(RX_FRAG_FULL, rx_frag_full, "fragment beyond a cap of the reassembly table")             \
	X(RX_FRAG_BAD, rx_frag_bad, "fragment that overlaps, is misaligned or overlong")           \
	X(RX_FRAG_DUP, rx_frag_dup, "fragment received before")                                    \
	X(RX_FRAG_TIMEOUT, rx_frag_timeout, "fragment whose datagram was never completed")         \
	X(RX_BAD_SRC, rx_bad_src, "source address that no host may have, or our own")              \
	X(RX_NOT_LOCAL, rx_not_local, "destination is not an address of this port")                \
	X(RX_NOT_UNICAST, rx_not_unicast, "TCP to a broadcast or multicast address or frame")      \
	X(RX_PROTO_UNKNOWN, rx_proto_unknown, "IP protocol nobody listens to")                     \
	X(RX_ICMP_BAD, rx_icmp_bad, "ICMP with a bad length or checksum")                          \
	X(RX_ICMP_IGNORED, rx_icmp_ignored, "ICMP of a type or state that asks for nothing")       \
	X(RX_ICMP_RATE, rx_icmp_rate, "ICMP echo request beyond icmp-rate")                        \
	X(RX_ICMP_NO_CONN, rx_icmp_no_conn, "ICMP error about a connection that is not there")     \
	X(RX_ICMP_SEQ, rx_icmp_seq, "ICMP error about bytes that are not in flight (RFC 5927)")    \
	X(RX_ICMP_MTU, rx_icmp_mtu, "packet too big, but no packet sent is larger than it says")   \
	X(RX_UDP_BAD, rx_udp_bad, "UDP with a bad length or checksum")                             \
	X(RX_UDP_CLOSED, rx_udp_closed, "UDP: no port is open")                                    \
	X(RX_BAD_HDR, rx_bad_hdr, "TCP header with an impossible length")                          \
	X(RX_CSUM_BAD, rx_csum_bad, "TCP checksum wrong")                                          \
	X(RX_CSUM_PARTIAL, rx_csum_partial,                                                        \
	  "TCP checksum unfinished: the sender offloads it and no NIC follows; "                   \
	  "on the sending host: ethtool -K DEVICE tx off")                                         \
	X(RX_PORT_ZERO, rx_port_zero, "TCP from or to port 0")                                     \
	X(RX_CLOSED_PORT, rx_closed_port, "TCP to a port without listener or connection")          \
	X(RX_LISTEN_FLAGS, rx_listen_flags, "a listener saw flags that open nothing")              \
	X(RX_LISTEN_RST, rx_listen_rst, "a listener saw a RST")                                    \
	X(RX_LISTEN_ACK, rx_listen_ack, "a listener saw an ACK of no connection")                  \
	X(RX_SYN_BACKLOG, rx_syn_backlog, "SYN beyond the half-open limit")                        \
	X(RX_SYN_PRESSURE, rx_syn_pressure, "SYN refused because the worker is overloaded")        \
	X(RX_SYN_DRAIN, rx_syn_drain, "SYN while the server drains to stop")                       \
	X(RX_SYN_NO_CONN, rx_syn_no_conn, "connection limit reached")                              \
	X(RX_SYN_NO_PATH, rx_syn_no_path, "no route or path entry to answer a SYN")                \
	X(RX_TABLE_FULL, rx_table_full, "no room in the connection table")                         \
	X(RX_NO_BLOCK, rx_no_block, "no hot block left; the peer will send again")                 \
	X(RX_OLD_DATA, rx_old_data, "data received before")                                        \
	X(RX_OUT_OF_WINDOW, rx_out_of_window, "segment outside the receive window")                \
	X(RX_OOO_FULL, rx_ooo_full, "out-of-order data beyond its cap")                            \
	X(RX_AFTER_FIN, rx_after_fin, "data beyond the peer's FIN")                                \
	X(RX_AFTER_CLOSE, rx_after_close, "data for a connection already closed here")             \
	X(RX_PAWS, rx_paws, "timestamp older than the last (RFC 7323 PAWS)")                       \
	X(RX_NO_TS, rx_no_ts, "segment without the negotiated timestamp")                          \
	X(RX_BAD_ACK, rx_bad_ack, "acknowledges what was never sent, or is too old")               \
	X(RX_SYN_SENT, rx_syn_sent, "neither SYN nor RST while our SYN waits for its answer")      \
	X(RX_NO_ACK, rx_no_ack, "segment without ACK on a connection")                             \
	X(RX_SYN_IN_CONN, rx_syn_in_conn, "SYN on a connection (RFC 5961)")                        \
	X(RX_RST_IN_WINDOW, rx_rst_in_window, "RST in the window but not at RCV.NXT (RFC 5961)")   \
	X(RX_RST_IGNORED, rx_rst_ignored, "RST outside the window, or in TIME-WAIT")               \
	X(RX_TIME_WAIT, rx_time_wait, "old segment to a connection in TIME-WAIT")                  \
	X(RX_MBUF_SHARE, rx_mbuf_share, "slow connections keep all the mbufs they may; sent again") \
	X(RX_CHAOS_REFUSED, rx_chaos_refused, "SYN refused on purpose (chaos-refuse)")             \
	X(RX_CHAOS_EARLY, rx_chaos_early, "SYN again while its SYN-ACK is delayed (chaos-synack-delay)") \
	X(RX_CHAOS_FIN, rx_chaos_fin, "FIN without data, ignored (chaos-ignore-fin)")              \
	X(RX_HANDOVER_FULL, rx_handover_full, "ring to the owning worker was full")

/* Segments that were built or due and did not leave. */
#define COUNTER_TX_DROPS(X)                                                                        \
	X(TX_NO_MBUF, tx_no_mbuf, "no mbuf to build a packet; tried again later")                  \
	X(TX_NO_NEIGHBOR, tx_no_neighbor, "next hop not resolved")                                 \
	X(TX_REFUSED, tx_refused, "the port refused the packet again and again")                   \
	X(TX_UNPREPARED, tx_unprepared, "the port's driver cannot send such a packet")             \
	X(TX_LINK_DOWN, tx_link_down, "the port's link is down")                                   \
	X(TX_QUEUE_FULL, tx_queue_full, "no room for a stateless answer")                          \
	X(TX_RST_RATE, tx_rst_rate, "RST beyond rst-rate")                                         \
	X(TX_ICMP_RATE, tx_icmp_rate, "ICMP error beyond icmp-rate")                               \
	X(TX_CHALLENGE_RATE, tx_challenge_rate, "challenge ACK beyond one per challenge-ack")

#define COUNTER_EVENTS(X)                                                                          \
	X(RX_PACKETS, rx_packets, "packets received")                                              \
	X(RX_BYTES, rx_bytes, "bytes received, Ethernet header to payload")                        \
	X(TX_PACKETS, tx_packets, "packets given to the ports")                                    \
	X(TX_BYTES, tx_bytes, "bytes given to the ports")                                          \
	X(TX_TSO, tx_tso, "packets of several segments that the port cuts (TSO)")                  \
	X(RX_FRAGMENTS, rx_fragments, "IP fragments received")                                     \
	X(RX_REASSEMBLED, rx_reassembled, "datagrams completed from fragments")                    \
	X(RX_BAD_OPT, rx_bad_opt, "segments with a malformed TCP option")                          \
	X(RX_PAYLOAD_BYTES, rx_payload_bytes, "payload bytes accepted in order")                   \
	X(TX_PAYLOAD_BYTES, tx_payload_bytes, "payload bytes sent, retransmissions included")      \
	X(RX_OUT_OF_ORDER, rx_out_of_order, "segments queued out of order")                        \
	X(OOO_EVICTED, ooo_evicted, "out-of-order ranges given up at a cap; the peer sends them again") \
	X(OOO_STEPS, ooo_steps, "ranges compared to place or report out-of-order data")            \
	X(RX_WINDOW_PROBES, rx_window_probes, "probes of our closed window")                       \
	X(RX_KEEPALIVES, rx_keepalives, "the peers' keep-alive probes answered")                   \
	X(SYN_RECEIVED, syn_received, "SYNs that opened a half-open connection")                   \
	X(SYN_REPEATED, syn_repeated, "SYNs of a half-open connection again, answered again")      \
	X(SYNACK_RETRANSMITS, synack_retransmits, "SYN-ACKs sent again")                           \
	X(HALF_OPEN_EXPIRED, half_open_expired, "half-open connections given up")                  \
	X(HALF_OPEN_RESET, half_open_reset, "half-open connections reset by the peer")             \
	X(COOKIES_SENT, cookies_sent, "SYNs answered by cookie")                                   \
	X(COOKIES_ACCEPTED, cookies_accepted, "connections opened by a cookie")                    \
	X(COOKIES_REJECTED, cookies_rejected, "ACKs tested for a cookie that carried none")        \
	X(COOKIES_EXPIRED, cookies_expired, "ACKs with a cookie too old")                          \
	X(HANDSHAKES_HELD, handshakes_held, "complete handshakes held half-open for want of room") \
	X(SYN_SENT, syn_sent, "active opens begun")                                                \
	X(SYN_RETRANSMITS, syn_retransmits, "SYNs of active opens sent again")                     \
	X(CONN_REFUSED, conn_refused, "active opens that the peer refused")                        \
	X(CONN_OPENED, conn_opened, "connections established")                                     \
	X(CONN_OPEN, conn_open, "connections open now, those that are closing too, up to TIME-WAIT") \
	X(CONN_CLOSED, conn_closed, "connections closed by FIN both ways")                         \
	X(CONN_RESET_RX, conn_reset_rx, "connections reset by the peer")                           \
	X(CONN_RESET_TX, conn_reset_tx, "connections reset by us")                                 \
	X(CONN_UNTOLD, conn_untold, "connections that ended with the server, and their peers were not told") \
	X(CONN_TIMEOUT, conn_timeout, "connections given up: the peer fell silent")                \
	X(CONN_STALLED, conn_stalled, "connections reset by persist-timeout")                      \
	X(CONN_SLOW, conn_slow, "connections reset by min-progress")                               \
	X(STALLED_RESET, stalled_reset, "connections with a closed window reset: memory was short") \
	X(ORPHANS_RESET, orphans_reset, "closed connections reset beyond max-orphans")             \
	X(TIME_WAIT_ENTERED, time_wait_entered, "connections that entered TIME-WAIT")              \
	X(TIME_WAIT_REUSED, time_wait_reused, "TIME-WAIT entries replaced by a new SYN")           \
	X(TIME_WAIT_RECYCLED, time_wait_recycled, "TIME-WAIT entries dropped early at the cap")    \
	X(TX_SYNACKS, tx_synacks, "SYN-ACKs sent")                                                 \
	X(TX_ACKS, tx_acks, "segments without payload sent, FIN and SYN aside")                    \
	X(TX_DUP_ACKS, tx_dup_acks, "ACKs sent for out-of-order or duplicate data")                \
	X(TX_CHALLENGE_ACKS, tx_challenge_acks, "challenge ACKs sent (RFC 5961)")                  \
	X(TX_RSTS, tx_rsts, "RSTs sent")                                                           \
	X(TX_FINS, tx_fins, "FINs sent")                                                           \
	X(TX_RETRANSMITS, tx_retransmits, "segments sent again")                                   \
	X(TX_WINDOW_PROBES, tx_window_probes, "probes of a peer's closed window")                  \
	X(TX_KEEPALIVES, tx_keepalives, "keep-alive probes sent")                                  \
	X(RTO_FIRED, rto_fired, "retransmission timeouts")                                         \
	X(FAST_RECOVERIES, fast_recoveries, "loss recoveries begun by duplicate ACKs or SACK")     \
	X(WHEEL_FULL, wheel_full, "timers that found no room in the wheel and came late")          \
	X(TLP_PROBES, tlp_probes, "tail loss probes sent (RFC 8985)")                              \
	X(SPURIOUS_RECOVERIES, spurious_recoveries, "loss recoveries undone: nothing had been lost") \
	X(LIMITED_TRANSMITS, limited_transmits, "new segments sent on a duplicate ACK")            \
	X(DELAYED_ACKS, delayed_acks, "ACKs sent by the delayed-ACK timer")                        \
	X(RX_WSCALE_HIGH, rx_wscale_high, "SYNs with a window scale above 14, taken as 14 (RFC 7323)") \
	X(RX_ECN_MARKS, rx_ecn_marks, "data segments that a router marked as congested (ECN)")     \
	X(ECN_REDUCTIONS, ecn_reductions, "congestion windows reduced by the peer's ECN echo")     \
	X(ARP_REQUESTS_RX, arp_requests_rx, "ARP requests for an own address")                     \
	X(ARP_REPLIES_RX, arp_replies_rx, "ARP replies used")                                      \
	X(ARP_TX, arp_tx, "ARP packets sent")                                                      \
	X(ARP_CONFLICTS, arp_conflicts, "ARP from another host that claims an own address")        \
	X(ND_SOLICITS_RX, nd_solicits_rx, "neighbour solicitations answered")                      \
	X(ND_ADVERTS_RX, nd_adverts_rx, "neighbour advertisements used")                           \
	X(ND_TX, nd_tx, "neighbour discovery messages sent")                                       \
	X(ND_CONFLICTS, nd_conflicts, "neighbour discovery from another host that claims an own address") \
	X(MLD_QUERIES_RX, mld_queries_rx, "queries for multicast listeners answered")              \
	X(MLD_REPORTS_TX, mld_reports_tx, "reports of multicast groups sent")                      \
	X(ICMP_ECHO_RX, icmp_echo_rx, "ICMP echo requests answered")                               \
	X(ICMP_ERRORS_RX, icmp_errors_rx, "ICMP errors received")                                  \
	X(ICMP_ERRORS_TX, icmp_errors_tx, "ICMP errors sent")                                      \
	X(PMTU_LOWERED, pmtu_lowered, "path MTUs lowered because ICMP said so")                    \
	X(PMTU_DEFERRED, pmtu_deferred, "reports below a size that went through: on trial")        \
	X(PMTU_BLACK_HOLES, pmtu_black_holes, "path MTUs lowered because nothing else helped")     \
	X(PMTU_RAISED, pmtu_raised, "path MTUs raised: after pmtu-age, or a larger packet passed") \
	X(PMTU_EVICTED, pmtu_evicted, "path MTUs forgotten for others")                            \
	X(IP_ID_SPENT, ip_id_spent, "packets not let be fragmented: no unused IPv4 ID")            \
	X(NEIGHBOR_EVICTED, neighbor_evicted, "neighbour entries evicted from a full cache")       \
	X(BLOCKS_EXHAUSTED, blocks_exhausted, "times no hot block was left")                       \
	X(HANDOVER_PACKETS, handover_packets, "packets handed to the owning worker")               \
	X(RELAYED_PACKETS, relayed_packets, "packets sent by another worker's transmit queue")     \
	X(NEWS_LOST, news_lost, "news for another worker that found its ring full")                \
	X(RSS_MISPLACED, rss_misplaced,                                                            \
	  "queues no longer believed: RSS put a packet where its key and table do not")            \
	X(CHAOS_REFUSED_RST, chaos_refused_rst, "chaos: SYNs answered by RST")                     \
	X(CHAOS_REFUSED_DROP, chaos_refused_drop, "chaos: SYNs left without an answer")            \
	X(CHAOS_REFUSED_ICMP, chaos_refused_icmp, "chaos: SYNs answered by ICMP")                  \
	X(CHAOS_SYNACKS_DELAYED, chaos_synacks_delayed, "chaos: SYN-ACKs held back")               \
	X(CHAOS_SILENT, chaos_silent, "chaos: connections opened that say nothing")                \
	X(CHAOS_WINDOWS, chaos_windows, "chaos: connections opened with a small or closed window") \
	X(CHAOS_SLOW_READERS, chaos_slow_readers, "chaos: connections opened that are read slowly") \
	X(CHAOS_SLOW_WRITERS, chaos_slow_writers, "chaos: connections opened that are written slowly") \
	X(CHAOS_RESETS_OCTETS, chaos_resets_octets, "chaos: connections reset after their octets") \
	X(CHAOS_RESETS_TIME, chaos_resets_time, "chaos: connections reset after their time")       \
	X(CHAOS_HALF_CLOSES, chaos_half_closes, "chaos: FINs sent before the handler's")           \
	X(CHAOS_CLOSES_HELD, chaos_closes_held, "chaos: connections whose FIN is held back")       \
	X(CHAOS_FINS_IGNORED, chaos_fins_ignored, "chaos: FINs received and not heeded")           \
	X(CHAOS_GARBAGE, chaos_garbage, "chaos: segments of garbage sent behind a FIN")            \
	X(CHAOS_BAD_TCP_SUMS, chaos_bad_tcp_sums, "chaos: segments sent with a wrong TCP checksum") \
	X(CHAOS_BAD_IP_SUMS, chaos_bad_ip_sums, "chaos: segments sent with a wrong IP checksum")   \
	X(CHAOS_DUPLICATES, chaos_duplicates, "chaos: segments sent twice")                        \
	X(CHAOS_REORDERED, chaos_reordered, "chaos: segments sent behind the next")                \
	X(CHAOS_SHRUNK, chaos_shrunk, "chaos: segments that said half the window")                 \
	X(HANDLER_PASSES, handler_passes, "times in which handlers were run, for any number of connections") \
	X(HANDLER_TICKS, handler_ticks, "time they took, in ticks of the CPU's counter (tsc_hz of /pier/info)") \
	X(HANDLER_100US, handler_100us, "of those times, longer than 100 us")                      \
	X(HANDLER_1MS, handler_1ms, "of those, longer than 1 ms: a handler is too slow")           \
	X(HANDLER_10MS, handler_10ms, "of those, longer than 10 ms")                               \
	X(HANDLER_ERRORS, handler_errors, "connections a handler ended by abort")

enum counter {
#define X(NAME, name, help) CTR_##NAME,
	COUNTER_RX_DROPS(X)
	COUNTER_TX_DROPS(X)
	COUNTER_EVENTS(X)
#undef X
	CTR_MAX
};

/* The ranges of the enum: rx drops [0, CTR_RX_DROPS_END), tx drops up to CTR_TX_DROPS_END. */
#define CTR_RX_DROPS_END CTR_TX_NO_MBUF
#define CTR_TX_DROPS_END CTR_RX_PACKETS

struct counters {
	alignas(CACHE_LINE) uint64_t v[CTR_MAX];
};

struct counter_info {
	const char *name;
	const char *help;
};

/* Indexed by enum counter. */
extern const struct counter_info counter_info[CTR_MAX];

static inline void count_set(struct counters *c, enum counter id, uint64_t n)
{
#ifdef __SANITIZE_THREAD__ /* the same, in words that tell: readers are expected */
	__atomic_store_n(&c->v[id], n, __ATOMIC_RELAXED);
#else
	c->v[id] = n;
#endif
}

static inline void count_add(struct counters *c, enum counter id, uint64_t n)
{
	count_set(c, id, c->v[id] + n);
}

static inline void count(struct counters *c, enum counter id)
{
	count_add(c, id, 1);
}

/* Sum of all rx drop counters. */
uint64_t counter_rx_dropped(const struct counters *c);

#endif
