from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdnb.debugger.epilog import Epilog, decode_epilog


def decode(code: str, frame_register: str = "", *, adjusted: bool = False) -> Epilog | None:
    return decode_epilog(
        bytes.fromhex(code), 0x1000, lambda target: target >= 0x2000, frame_register, adjusted=adjusted
    )


@pytest.mark.parametrize(
    ("code", "frame_register", "epilog"),
    [
        ("c3", "", Epilog()),
        ("4883c428 c3", "", Epilog(0x28)),
        ("4883c480 c3", "", Epilog(-0x80)),
        ("4881c400100000 5b c3", "", Epilog(0x1000, pops=("rbx",))),
        ("5f 5e 415f 415c c3", "", Epilog(pops=("rdi", "rsi", "r15", "r12"))),
        ("488d6520 5d c3", "rbp", Epilog(0x20, "rbp", ("rbp",))),
        ("488da500010000 5d c3", "rbp", Epilog(0x100, "rbp", ("rbp",))),
        ("498d642428 415c c3", "r12", Epilog(0x28, "r12", ("r12",))),
        ("498d5b10 c3", "r11", None),  # lea into rbx, not rsp
        ("488d6520 5d c3", "", None),  # a frame register that the function doesn't have
        ("488d6320 c3", "rbp", None),
        ("eb10", "", None),
        ("e9fb0f0000", "", Epilog()),
        ("48ff2510000000", "", Epilog()),
        ("48ffe0", "", Epilog()),
        ("ffe0", "", None),
        ("4883c4", "", None),
        ("", "", None),
    ],
)
def test_epilogs_are_told_from_bodies(code: str, frame_register: str, epilog: Epilog | None) -> None:
    assert decode(code, frame_register) == epilog


def test_a_version_2_epilog_has_its_adjustment_behind_it() -> None:
    assert decode("5b c3", adjusted=True) == Epilog(pops=("rbx",))
    assert decode("4883c428 5b c3", adjusted=True) is None


@given(st.binary(max_size=40), st.sampled_from(["", "rbp", "r12", "r13"]))
def test_any_bytes_are_decided(code: bytes, frame_register: str) -> None:
    decode_epilog(code, 0x1000, lambda _: True, frame_register)
