/*
 * The table of TCP's options, with the defaults that the conformance statement names.
 */
#include "algo/cc.h"
#include "pier/handler.h"
#include "tcp/options.h"

#define O(k, t, f, lo, hi, d, h) {k, OPTION_##t, offsetof(struct tcp_options, f), lo, hi, NULL, d, h}
#define MS 1000ull
#define S  1000000ull
#define DAY (86400 * S)

static const char *const cookie_words[] = {"auto", "always", "never", NULL};
static const char *const overflow_words[] = {"hold", "reset", NULL};

static const struct option options[] = {
	O("rto-initial", DURATION, rto_initial, 100 * MS, 60 * S, "1s",
	  "retransmission timeout before the first round-trip sample"),
	O("rto-min", DURATION, rto_min, 5 * MS, 1 * S, "200ms",
	  "least margin of the retransmission timeout above the smoothed round-trip time"),
	O("rto-max", DURATION, rto_max, 60 * S, 3600 * S, "60s",
	  "ceiling of the retransmission timeout"),
	O("rto-literal", BOOL, rto_literal, 0, 0, "no",
	  "apply rto-min to the whole timeout, as RFC 6298 has it (set rto-min = 1s too)"),
	O("synack-retries", U32, synack_retries, 0, 15, "5", "SYN-ACKs sent again before giving up"),
	{"syn-cookies", OPTION_ENUM, offsetof(struct tcp_options, syn_cookies), 0, 0, cookie_words,
	 "auto",
	 "answer SYNs without remembering them; auto: when seven eighths of the half-open "
	 "connections there may be are taken, or the worker is overloaded"},
	{"overflow", OPTION_ENUM, offsetof(struct tcp_options, overflow), 0, 0, overflow_words, "hold",
	 "a completed handshake for which there is no room: hold it half-open, so that the client "
	 "tries again, or reset it"},
	O("syn-r2", DURATION, syn_r2, 1 * S, 12 * DAY, "180s",
	  "give an active open up when its SYN was not answered for this long"),
	O("local-port-low", U32, port_low, 1024, 65535, "49152",
	  "lowest local port that active opens choose"),
	O("local-port-high", U32, port_high, 1024, 65535, "65535",
	  "highest local port that active opens choose"),
	O("r1", U32, r1, 3, 100, "3", "retransmissions after which the next hop is looked up again"),
	O("r2", DURATION, r2, 0, 0, "100s", "give a silent peer up after this long"),
	O("user-timeout", DURATION, user_timeout, 0, 0, "300s",
	  "give up when sent data was not acknowledged for this long"),
	O("delack", DURATION, delack, 1 * MS, 499 * MS, "40ms", "longest delay of an acknowledgment"),
	O("persist-max", DURATION, persist_max, 60 * S, 3600 * S, "60s",
	  "longest interval between probes of a closed window"),
	O("persist-timeout", DURATION, persist_timeout, 1 * S, UINT64_MAX, "inf",
	  "reset a connection when the peer's window has been closed to waiting data for this long"),
	O("min-progress", SIZE, min_progress, 0, 1ull << 30, "0",
	  "reset a connection when data waits and the peer acknowledges fewer octets in 60 s; 0: never"),
	O("msl", DURATION, msl, 1 * S, 120 * S, "30s",
	  "maximum segment lifetime; TIME-WAIT is twice it; not in [listen], as it is for all listeners"),
	O("fin-wait2", DURATION, fin_wait2, 1 * S, 3600 * S, "60s",
	  "wait this long for the peer's FIN after closing"),
	O("keepalive", BOOL, keepalive, 0, 0, "no", "probe idle connections"),
	O("keepalive-idle", DURATION, keepalive_idle, 1 * S, 12 * DAY, "7200s",
	  "idle time before the first keep-alive probe"),
	O("keepalive-interval", DURATION, keepalive_intvl, 1 * S, 3600 * S, "75s",
	  "time between keep-alive probes"),
	O("keepalive-count", U32, keepalive_count, 1, 100, "9",
	  "unanswered keep-alive probes that end a connection"),
	O("keepalive-garbage", BOOL, keepalive_garbage, 0, 0, "no",
	  "send one octet with a probe, for peers that answer no other"),
	O("challenge-ack", DURATION, challenge_ack, 0, 60 * S, "500ms",
	  "one challenge ACK a connection in this time"),
	O("burst", U32, burst, 2, 65535, "64", "segments that one ACK lets leave back to back"),
	{"congestion", OPTION_ENUM, offsetof(struct tcp_options, congestion), 0, 0, cc_names, "cubic",
	 "congestion control of what this side sends"},
	O("abc-limit", U32, abc_limit, 1, 2, "1",
	  "segments that one ACK may add to the window in slow start (RFC 3465)"),
	O("abe", BOOL, abe, 0, 0, "no", "reduce less for ECE than for loss (RFC 8511)"),
	O("rcvbuf", SIZE, rcvbuf, PIER_BUFFER_MIN, 1ull << 30, "16m",
	  "receive buffer of a connection at most; decides the window scale"),
	O("rcvbuf-initial", SIZE, rcvbuf_initial, PIER_BUFFER_MIN, 1ull << 30, "256k",
	  "receive buffer at first; it doubles while more than a quarter is taken in a round trip"),
	O("sndbuf", SIZE, sndbuf, PIER_BUFFER_MIN, 1ull << 30, "1m", "send queue of a connection"),
	O("min-snd-mss", U32, min_snd_mss, 48, 1220, "64", "a smaller MSS of the peer is raised to this"),
	O("pmtu-floor", U32, pmtu_floor, 68, 1500, "552",
	  "smallest path MTU believed; below it packets may be fragmented on their way. Of IPv6 it is 1280, and no router "
	  "fragments"),
	O("pmtu-age", DURATION, pmtu_age, 300 * S, 43200 * S, "600s",
	  "time after which a path that became smaller is tried with larger packets"),
	O("timestamps", BOOL, timestamps, 0, 0, "yes", "RFC 7323 timestamps, if the peer offers them"),
	O("sack", BOOL, sack, 0, 0, "yes", "RFC 2018 selective acknowledgments, if offered"),
	O("window-scale", BOOL, window_scale, 0, 0, "yes", "RFC 7323 window scaling, if offered"),
	O("ecn", BOOL, ecn, 0, 0, "yes", "RFC 3168 explicit congestion notification, if asked for"),
	O("ecn-connect", BOOL, ecn_connect, 0, 0, "no", "ask for it when opening connections"),
	O("nagle", BOOL, nagle, 0, 0, "no", "hold small segments back while data is unacknowledged"),
	O("ttl", U32, ttl, 1, 255, "64", "time to live of sent packets, or hop limit"),
	O("dscp", U32, dscp, 0, 63, "0", "differentiated services codepoint of sent packets"),
};

const struct option_table tcp_option_table = {
	.section = "tcp",
	.help = "TCP for all listeners; a [listen] section may override each key but msl",
	.options = options,
	.n = sizeof(options) / sizeof(options[0]),
	.size = sizeof(struct tcp_options),
};
