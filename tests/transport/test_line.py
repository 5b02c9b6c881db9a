"""A line as a listener."""

from __future__ import annotations

import pytest

from kdnb.errors import ConnectError
from kdnb.transport.line import LineListener
from kdnb.transport.memory import memory_pair


def test_the_line_is_opened_at_once_given_out_and_opened_anew():
    opened = []

    def open_line():
        opened.append(memory_pair()[0])
        return opened[-1]

    listener = LineListener("com:port=x", open_line)
    assert len(opened) == 1
    assert [listener.accept(0.0), listener.accept(0.0)] == opened
    listener.close()


def test_a_line_that_is_not_there_says_so_at_once():
    def open_line():
        raise ConnectError("no such line")

    with pytest.raises(ConnectError):
        LineListener("com:port=x", open_line)
