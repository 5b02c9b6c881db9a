"""The simulated machine as a process; that it doesn't survive its parent is tested in `tests/test_api.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdnb.errors import ConnectError, MissingExtraError
from kdnb.simulator.child import SimulatedMachine


def test_a_child_says_where_it_listens_writes_its_symbols_and_ends() -> None:
    machine = SimulatedMachine("idle")
    try:
        assert machine.address.startswith("tcp:127.0.0.1:")
        assert machine.is_running
        assert list(Path(machine.symbols).glob("ntkrnlmp.pdb/*/ntkrnlmp.pdb"))
    finally:
        machine.close()
    assert not machine.is_running
    assert not Path(machine.symbols).exists()
    machine.close()


def test_what_the_child_complains_about_is_the_error() -> None:
    with pytest.raises(ConnectError, match="nonsense"):
        SimulatedMachine("nonsense")


def test_without_the_emulator_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"kdnb\[sim\]"):
        SimulatedMachine()
