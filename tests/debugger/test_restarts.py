"""A target that restarts: filters stop it early, breakpoints come back, callbacks hear of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kdnb

pytest.importorskip("unicorn", reason="needs the extra `sim`")


def test_reboot_then_g_hits_the_breakpoint_again_and_callbacks_hear_of_it() -> None:
    states: list[str] = []
    stops: list[str] = []
    modules: list[str] = []
    prints: list[str] = []
    with kdnb.connect("sim:") as kd:
        kd.events.on_state(lambda event: states.append(event.state))
        kd.events.on_stop(lambda stop: stops.append(stop.reason))
        kd.events.on_module(lambda event: modules.append(event.path))
        kd.events.on_print(lambda event: prints.append(event.text))
        kd.execute("bp nt!KeUpdateSystemTime; bu disk!DriverEntry")
        (text, first, second) = kd.execute(".reboot; g; g")
        assert "The target restarts" in str(text)
        assert first.breakpoints
        assert second.breakpoints
        assert {0, 1} >= {*first.breakpoints, *second.breakpoints}
    assert "restarted" in states
    assert "rearmed" in states
    assert stops.count("breakpoint") == 2
    assert any("disk.sys" in path for path in modules)
    assert prints


def test_sxe_ibp_and_iml_stop_a_restarting_target_early() -> None:
    with kdnb.connect("sim:") as kd:
        stop = kd.execute("sxe ibp; .reboot")[-1]
        assert stop.reason == "break"
        assert stop.requested
        assert [module.name for module in kd.modules] == ["nt"]
        stop = kd.execute("sxr; sxe iml; .reboot")[-1]
        assert stop.reason == "load"
        assert [module.name for module in kd.modules] == ["nt"]


def test_sxe_ibp_holds_the_target_and_sends_nothing_into_its_boot() -> None:
    with kdnb.connect("sim:") as kd:
        before = len(kd.packets())
        kd.execute("sxe ibp; .reboot")
        assert not (kd.packets().iloc[before:].leader == "breakin").any()


def test_a_condition_in_python_decides_about_a_hit() -> None:
    asked: list[int] = []
    with kdnb.connect("sim:") as kd:

        def third_time(stop: object) -> bool:
            asked.append(kd.registers["rip"])
            return len(asked) == 3

        kd.breakpoints.add("nt!KeUpdateRunTime", when=third_time)
        stop = kd.go(timeout=20.0)
        assert stop is not None
        assert stop.breakpoints == (0,)
    assert asked == [stop.address] * 3


def test_exec_reboots_and_goes_on() -> None:
    command = [sys.executable, "-m", "kdnb", "exec", "sim:", "-c", "bp nt!KeUpdateRunTime; .reboot; g; k 1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "Breakpoint 0 hit" in done.stdout
