"""Which prints of the guest are shown: the masks of their components."""

from __future__ import annotations

import pytest

from kdnb.simulator.architecture import AMD64, X86, Architecture
from kdnb.simulator.events import Print
from kdnb.simulator.loader import guest_exports
from kdnb.simulator.machine import Machine
from tests.simulator.guest_access import guest_names

ERROR, WARNING, TRACE, INFO = 1, 2, 4, 8


def said(machine: Machine, turns: int = 1500) -> set[str]:
    """The first words of what is printed meanwhile: who, and what."""
    events = (machine.run(1) for _ in range(turns))
    return {" ".join(event.text.decode().split()[:2]) for event in events if isinstance(event, Print)}


def booted(scenario: str = "idle", architecture: Architecture = AMD64) -> Machine:
    machine = Machine(scenario, architecture)
    machine.boot()
    return machine


@pytest.mark.parametrize("architecture", [AMD64, X86], ids=["amd64", "x86"])
def test_dbgprint_is_shown_if_the_default_mask_has_the_info_level(architecture: Architecture) -> None:
    machine = booted(architecture=architecture)
    mask = guest_exports(architecture)["Kd_DEFAULT_Mask"]
    assert said(machine) == set()
    machine.write_virtual(0, mask, bytes([ERROR | WARNING | TRACE, 0, 0, 0]))
    assert said(machine) == set()
    machine.write_virtual(0, mask, bytes([INFO, 0, 0, 0]))
    assert said(machine) == {"ntfs: opened"}


@pytest.mark.parametrize(
    ("mask", "shown"),
    [
        (ERROR | WARNING, set()),
        (TRACE, {"disk: read", "disk: wrote"}),
        (INFO, {"buggy: round"}),
        (0xFFFFFFFF, {"disk: read", "disk: wrote", "buggy: round"}),
    ],
)
def test_a_driver_s_prints_are_shown_by_level(mask: int, shown: set[str]) -> None:
    machine = booted()
    machine.write_virtual(0, guest_names()["nt!Kd_IHVDRIVER_Mask"], mask.to_bytes(4, "little"))
    assert said(machine) == shown


def test_errors_of_all_components_are_shown_until_the_common_mask_is_cleared() -> None:
    machine = booted("storm")
    assert said(machine, 100) == {"storm: line"}
    machine.write_virtual(0, guest_exports()["Kd_WIN2000_Mask"], bytes(4))
    machine.run(20)  # what is on its way
    assert said(machine, 100) == set()
