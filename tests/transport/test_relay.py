"""The relay: every byte passes, in order, both ways; an end that goes away is named."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from hypothesis import given, settings
from hypothesis import strategies as st

from kdnb.protocol.constants import Direction
from kdnb.transport.memory import memory_pair
from kdnb.transport.relay import Relay

TO_TARGET, TO_HOST = Direction.TO_TARGET, Direction.TO_HOST
PATIENCE = 20.0
CHUNKS = st.lists(st.binary(min_size=1, max_size=300), max_size=12)


class Joined:
    """A client and a target with a relay between them."""

    def __init__(self, *, datagrams=False):
        self.client, client_end = memory_pair(datagrams=datagrams)
        self.target, target_end = memory_pair(datagrams=datagrams)
        self.seen = []
        self.endings = SimpleQueue()
        self.relay = Relay(client_end, target_end, lambda *chunk: self.seen.append(chunk), self.endings.put)
        self.relay.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.relay.close()


def read(end, size):
    data = b""
    while len(data) < size:
        data += end.read(PATIENCE)
    return data


@given(CHUNKS, CHUNKS)
@settings(max_examples=40)
def test_whatever_is_said_at_once_in_both_directions_arrives_as_it_was(to_target, to_host):
    with Joined() as joined:

        def answer():
            for chunk in to_host:
                joined.target.write(chunk)

        speaking = threading.Thread(target=answer)
        speaking.start()
        for chunk in to_target:
            joined.client.write(chunk)
        sent = {TO_TARGET: b"".join(to_target), TO_HOST: b"".join(to_host)}
        assert read(joined.target, len(sent[TO_TARGET])) == sent[TO_TARGET]
        assert read(joined.client, len(sent[TO_HOST])) == sent[TO_HOST]
        speaking.join()
        for direction in Direction:
            assert b"".join(data for way, data, _ in joined.seen if way is direction) == sent[direction]


def test_a_chunk_is_seen_before_it_is_passed_on():
    with Joined() as joined:
        joined.client.write(b"request")
        joined.target.read(PATIENCE)
        assert [chunk[:2] for chunk in joined.seen] == [(TO_TARGET, b"request")]


def test_datagrams_stay_whole():
    with Joined(datagrams=True) as joined:
        joined.target.write(b"one")
        joined.target.write(b"two")
        assert [joined.client.read(PATIENCE), joined.client.read(PATIENCE)] == [b"one", b"two"]


def test_what_an_end_said_before_it_closed_still_arrives_and_the_end_is_named():
    for name in ("client", "target"):
        with Joined() as joined:
            end, other = getattr(joined, name), joined.target if name == "client" else joined.client
            end.write(b"last words")
            end.close()
            assert read(other, 10) == b"last words"
            assert joined.endings.get(timeout=PATIENCE).startswith(f"the {name} went away")


def test_an_observer_that_fails_ends_the_conversation_with_a_reason():
    client, client_end = memory_pair()
    _, target_end = memory_pair()
    endings = SimpleQueue()
    relay = Relay(client_end, target_end, lambda *_: 1 / 0, endings.put)
    relay.start()
    client.write(b"x")
    assert "ZeroDivisionError" in endings.get(timeout=PATIENCE)
    relay.close()
