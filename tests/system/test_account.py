"""bench/pktgen/account.py: what it takes for accounted for, and what not."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/pktgen"))

import account  # noqa: E402

STATS = """pier: serving on 1 port
tx_refused                        10  the port refused the packet again and again
tx_queue_full                      5  no room for a stateless answer
rx_closed_port                    40  TCP to a port without listener or connection
rx_listen_flags                    7  a listener saw flags that open nothing
rx_packets                       147  packets received
tx_packets                       108  packets given to the ports
synack_retransmits                20  SYN-ACKs sent again
tx_synacks                       120  SYN-ACKs sent
tx_rsts                            3  RSTs sent
"""


def wrong(text, sent=147, received=108):
    return [i for i, e in enumerate(account.check(account.counters(text), sent, received))
            if e["left"] != e["right"]]


class Account(unittest.TestCase):
    def test_every_packet_has_its_place(self):
        self.assertEqual(wrong(STATS), [])

    def test_telemetry_is_read_as_well(self):
        c = account.counters(STATS)
        self.assertEqual(account.counters(str({"/pier/stats": c}).replace("'", '"')), c)

    def test_a_packet_without_a_reason(self):
        self.assertEqual(wrong(STATS.replace("rx_listen_flags                    7",
                                             "rx_listen_flags                    6")), [1])

    def test_a_packet_with_two_reasons(self):
        self.assertEqual(wrong(STATS + "rx_port_zero                       1  twice\n"), [1])

    def test_packets_lost_on_the_link(self):
        self.assertEqual(wrong(STATS, sent=148), [0])
        self.assertEqual(wrong(STATS, received=107), [3])

    def test_an_answer_that_went_nowhere(self):
        self.assertEqual(wrong(STATS.replace("tx_rsts                            3",
                                             "tx_rsts                            4")), [2])

    def test_reasons_are_those_of_the_source(self):
        rx, tx = account.reasons()
        self.assertIn("rx_runt", rx)
        self.assertIn("rx_handover_full", rx)
        self.assertNotIn("rx_packets", rx)
        self.assertIn("tx_queue_full", tx)


if __name__ == "__main__":
    unittest.main()
