"""What is said while a target is waited for."""

from __future__ import annotations

import pytest

from kdnb.protocol.link_events import LinkStatistics
from kdnb.target.progress import describe


@pytest.mark.parametrize(
    ("seen", "network", "words"),
    [
        (LinkStatistics(), False, ("nothing seen", "isn't started", "debugging on")),
        (LinkStatistics(), False, ("nothing seen", "another debugger has the line")),
        (LinkStatistics(), True, ("nothing seen", "another address", "hostip")),
        (LinkStatistics(bytes_received=7), False, ("7 bytes seen", "baud rate", "baud=")),
        (
            LinkStatistics(bytes_received=700, rejected=2),
            True,
            ("authenticates", "key is wrong", "strangers", "dbgsettings"),
        ),
        (LinkStatistics(bytes_received=700), True, ("700 bytes seen", "handshake", "firewall")),
        (LinkStatistics(bytes_received=16, last_type=4), False, ("16 bytes", "last packet ACKNOWLEDGE", "reset")),
    ],
)
def test_it_names_what_was_seen_the_likely_cause_and_the_next_step(seen, network, words):
    text = "; ".join(describe(seen, network=network))
    assert all(word in text for word in words), text
