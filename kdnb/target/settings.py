"""What can be set of a live connection, and the options of a connection string that set it.

`resets=3,retries=20,ack_timeout=0.5,quiet_time=1,reply_timeout=2,attempts=3,verify,repeated_ids` may follow any live
connection string; what isn't given keeps its default, and each default names its source where it is declared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kdnb.errors import ConnectionStringError
from kdnb.protocol.link_events import HOST_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdnb.protocol.link_events import LinkSettings

__all__ = ["LiveSettings", "link_settings", "live_settings", "retry_time"]


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Times in seconds. Real debuggers differ (the protocol reference 1.7, chapter 12 no. 2)."""

    reply_timeout: float = 5.0
    """From a request to its reply; comments in target code speak of 5 s and 10 s."""
    attempts: int = 3
    """How often a request is made before it fails. Ours: with `reply_timeout` it bounds a command's wait to half a
    minute, and a cable that was out for ten seconds is survived."""
    first_break_in: float = 0.15
    """Silence after the first RESET before 62: a stopped target has answered by then, a running one only hears 62."""
    break_in_interval: float = 1.5
    """Between two 62 while nothing comes (1.8: 1-2 s)."""
    progress_after: float = 2.0
    """Silence while connecting before it is said what is waited for; then every `progress_interval`."""
    progress_interval: float = 5.0
    slice: float = 0.25
    """Longest wait without looking whether the user gave up."""
    verify: bool = False
    """Read memory until two replies in a row are equal: for lines on which damage passes the byte sum."""


RETRY_TIME = 600.0
"""Ours: ten minutes are longer than virtual machines take to start again, and a line isn't claimed for ever."""
LONGEST = 3600.0
LONGEST_PACKET = 4017
"""Bytes of the longest packet, with header and trailer (1.1)."""
BITS = 10
"""On the line for each byte: start bit, eight, stop bit."""
_LINK = {"ack_timeout": float, "quiet_time": float, "retries": int, "resets": int}
_LIVE = {"reply_timeout": float, "attempts": int}


def link_settings(options: Mapping[str, str]) -> LinkSettings:
    """The host's link settings by a connection string. Raises ConnectionStringError."""
    given = {name: _number(name, options[name], kind) for name, kind in _LINK.items() if name in options}
    if "retries" in given:
        given["first_contact_retries"] = given["retries"]
    if "ack_timeout" not in given and options.get("baud", "").isdecimal():
        slowest = LONGEST_PACKET * BITS / max(int(options["baud"]), 1)
        given["ack_timeout"] = min(max(HOST_SETTINGS.ack_timeout, 1.5 * slowest), LONGEST)
    return replace(HOST_SETTINGS, repeated_ids="repeated_ids" in options, **given)  # type: ignore[arg-type]  # by _LINK


def live_settings(options: Mapping[str, str]) -> LiveSettings:
    """The settings of requests by a connection string. Raises ConnectionStringError."""
    given = {name: _number(name, options[name], kind) for name, kind in _LIVE.items() if name in options}
    return LiveSettings(verify="verify" in options, **given)  # type: ignore[arg-type]  # by _LIVE


def retry_time(options: Mapping[str, str]) -> float:
    """Seconds for which a lost line is opened again by itself (`reconnect`). Raises ConnectionStringError."""
    given = options.get("reconnect")
    if given not in (None, "", "off"):
        raise ConnectionStringError(
            f"reconnect={given[:40]} can't be", "reconnect tries without end, reconnect=off never"
        )
    return RETRY_TIME if given is None else 0.0 if given else math.inf


def _number(name: str, text: str, kind: type[int] | type[float]) -> float:
    try:
        value = kind(text)
        if not 0 <= value <= LONGEST or (kind is float and value == 0) or (name == "attempts" and value == 0):
            raise ValueError
    except ValueError as error:
        unit = "a time in seconds" if kind is float else "a whole number"
        raise ConnectionStringError(f"{name}={text[:40]} is not {unit} up to {LONGEST:g}") from error
    return value
