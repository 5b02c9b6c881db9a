"""Settings of a live connection, as a connection string gives them."""

from __future__ import annotations

import pytest

from kdnb.errors import ConnectionStringError
from kdnb.protocol.link_events import HOST_SETTINGS
from kdnb.target.settings import LiveSettings, link_settings, live_settings
from kdnb.transport.registry import parse_spec


def test_what_is_not_given_keeps_its_default():
    options = parse_spec("tcp:127.0.0.1:5555").options
    assert link_settings(options) == HOST_SETTINGS
    assert live_settings(options) == LiveSettings()


def test_options_follow_any_live_connection_string():
    spec = parse_spec("unix:/tmp/a,b.sock,resets=0,retries=3,ack_timeout=0.25,quiet_time=2,repeated_ids")
    assert spec.argument == "/tmp/a,b.sock"
    settings = link_settings(spec.options)
    assert (settings.resets, settings.retries, settings.first_contact_retries) == (0, 3, 3)
    assert (settings.ack_timeout, settings.quiet_time, settings.repeated_ids) == (0.25, 2.0, True)
    live = live_settings(parse_spec("com:port=COM1,verify,reply_timeout=2,attempts=5").options)
    assert (live.verify, live.reply_timeout, live.attempts) == (True, 2.0, 5)


@pytest.mark.parametrize(("baud", "seconds"), [("115200", 0.5), ("57600", 1.05), ("9600", 6.28)])
def test_a_slow_line_gets_the_time_that_its_longest_packet_takes(baud, seconds):
    options = parse_spec(f"com:port=COM1,baud={baud}").options
    assert link_settings(options).ack_timeout == pytest.approx(seconds, abs=0.03)


@pytest.mark.parametrize("option", ["resets=x", "ack_timeout=0", "retries=-1", "quiet_time=nan", "retries=1e3"])
def test_a_value_that_can_not_be_is_refused(option):
    with pytest.raises(ConnectionStringError, match=option.partition("=")[0]):
        link_settings(parse_spec(f"tcp:127.0.0.1:1,{option}").options)
