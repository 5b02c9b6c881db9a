"""Triage of the driver with a bug, on the simulated machine."""

from __future__ import annotations

import pytest

import kdnb
from kdnb.results.analysis import Analysis

pytest.importorskip("unicorn")


def test_the_bug_of_the_lesson_driver_is_found() -> None:
    with kdnb.connect("sim:scenario=bugcheck") as kd:
        stop = kd.go(timeout=60)
        assert stop is not None
        assert stop.reason == "bugcheck"
        (analysis,) = kd.execute("!analyze -v")
        assert isinstance(analysis, Analysis)
        assert (analysis.code, analysis.name) == (0xD1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL")
        assert analysis.faulting_ip == analysis.parameters[3]
        assert analysis.faulting_symbol.startswith("buggy!BuggySumList")
        assert analysis.faulting_instruction is not None
        assert analysis.faulting_address == analysis.parameters[0]
        assert (analysis.module, analysis.image) == ("buggy", "buggy.sys")
        assert analysis.bucket == "AV_buggy!BuggySumList"
        assert analysis.stack[0].symbol == analysis.faulting_symbol
        assert analysis.process_name == "System"
        text = str(analysis)
        for section in ("READ_ADDRESS:", "FAULTING_IP:", "TRAP_FRAME:", "STACK_TEXT:", "FAILURE_BUCKET_ID:"):
            assert section in text
        scope = kd.execute(analysis.stack_command.replace("kb", "k"))
        assert "buggy!BuggySumList" in str(scope[-1]).splitlines()[2]


def test_without_a_bug_check_nothing_is_blamed() -> None:
    with kdnb.connect("sim:") as kd:
        (analysis,) = kd.execute("!analyze")
        assert isinstance(analysis, Analysis)
        assert analysis.code == 0
        assert "there was no bug check" in str(analysis)
        assert "Probably caused by" not in str(analysis)


@pytest.mark.parametrize("arch", ["amd64", "x86"])
def test_a_driver_that_left_a_thread_behind_is_named_and_its_symbols_come_back(arch: str) -> None:
    with kdnb.connect(f"sim:scenario=driverunload,arch={arch}") as kd:
        stop = kd.go(timeout=60)
        assert stop is not None
        assert stop.reason == "bugcheck"
        assert [gone.name for gone in kd.modules.unloaded] == ["echo.sys"]
        (analysis,) = kd.execute("!analyze -v")
        assert isinstance(analysis, Analysis)
        assert (analysis.code, analysis.name) == (0xCE, "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS")
        assert analysis.faulting_address == analysis.faulting_ip == analysis.parameters[2]
        assert analysis.faulting_symbol.startswith("<Unloaded_echo.sys>+0x1")
        assert (analysis.symbol, analysis.module, analysis.image) == ("echo.sys!Unloaded", "echo", "echo.sys")
        assert analysis.bucket == "0xCE_echo.sys!Unloaded"
        assert "NOTE: echo.sys was unloaded: .reload /unl echo.sys" in str(analysis)
        assert "<Unloaded_echo.sys>+0x1" in str(kd.execute("k")[-1])
        _, analysis, stack = kd.execute(".reload /unl echo.sys; !analyze -v; k")
        assert isinstance(analysis, Analysis)
        assert analysis.bucket == "0xCE_echo!EchoWaitForFlush"
        assert analysis.image == "echo.sys"
        assert [frame.symbol.split("+")[0] for frame in analysis.stack] == [
            "echo!EchoWaitForFlush",
            "echo!EchoFlushThread",
            "nt!PspSystemThreadStartup",
            "nt!KiStartSystemThread",
        ]
        assert not any(frame.warning for frame in stack)
