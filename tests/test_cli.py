"""The shell command, run as a user would: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kdnb.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

UNICORN = pytest.importorskip("unicorn", reason="needs the extra `sim`")

SCRIPT = "vertarget; lm; bp nt!KeBugCheckEx; bl; k; r; u; db nt L40; t; p"
"""A first session: look around, a breakpoint, steps."""


def kdnb(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kdnb", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[str]:
    """`kdnb simulate` in another process; gives its address. Its symbols lie in tmp_path."""
    command = [sys.executable, "-m", "kdnb", "simulate", "--listen", "tcp:127.0.0.1:0"]
    command += ["--symbols", str(tmp_path), "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().split()[2]
        process.stdin.close()
        process.wait(10)


def test_exec_shows_each_command_behind_a_prompt_and_then_its_text() -> None:
    done = kdnb("exec", "sim:", "-c", SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.split("\n")
    assert lines[0] == "0: kd> vertarget"
    assert lines[1].startswith("Windows 10 Kernel Version")
    for command in SCRIPT.split("; "):
        assert f"0: kd> {command}" in lines
    assert any(line.endswith("nt!KeBugCheckEx") and line.startswith(" 0 e ") for line in lines)
    assert " # Child-SP          RetAddr               Call Site" in lines
    assert sum(line.startswith("rax=") for line in lines) == 1


def test_what_the_target_calls_its_processes_steers_no_terminal() -> None:
    done = kdnb("exec", "sim:", "-c", "eb @$proc+5a8 1b 5b 33 31 6d 41 42; !process; .echo ok; \x1b[31mz")
    assert "[31mAB" in done.stdout
    assert "Unknown command" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_letters_that_standard_output_lacks_are_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")  # as a pipe has it on a western Windows
    done = kdnb("exec", "sim:", "-c", ".echo \u4e2d\u6587 done")
    assert (done.returncode, done.stderr) == (0, "")
    assert "?? done" in done.stdout


def test_the_same_over_tcp_twice_in_a_row(machine: str, tmp_path: Path) -> None:
    for _ in range(2):
        done = kdnb("exec", machine, "--symbols", str(tmp_path), "-c", SCRIPT)
        assert (done.returncode, done.stderr) == (0, "")
        assert "(pdb symbols)" in done.stdout
        assert "0: kd> p" in done.stdout


def test_a_g_that_outlasts_its_time_is_broken_into_and_no_failure() -> None:
    done = kdnb("exec", "sim:", "--timeout", "8", "-c", "g; k 1")
    assert done.returncode == 0
    assert "(still running after 8 s: broken into)\nBreak instruction exception" in done.stdout
    assert "0: kd> k 1" in done.stdout or "1: kd> k 1" in done.stdout


def test_a_reader_that_goes_away_while_the_target_prints_ends_the_session_quietly() -> None:
    command = [sys.executable, "-m", "kdnb", "exec", "sim:scenario=storm", "-c", "g"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "0: kd> g\n"
        assert process.stdout.readline().startswith("storm: line")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 1


def test_a_failing_command_ends_the_list_with_one_line_and_status_1() -> None:
    done = kdnb("exec", "sim:", "-c", "? 1+1; ? nt!KeBugChekEx; r")
    assert done.returncode == 1
    assert "Evaluate expression: 2 = 00000000`00000002" in done.stdout
    assert "rax=" not in done.stdout
    assert done.stderr.startswith("kdnb: Couldn't resolve error at 'nt!KeBugChekEx'; did you mean nt!KeBugCheckEx")
    assert done.stderr.count("\n") == 1


def test_a_read_only_session_refuses_changes() -> None:
    done = kdnb("exec", "sim:", "--read-only", "-c", "r rax; ed @rsp 1")
    assert done.returncode == 1
    assert done.stderr.startswith("kdnb: read-only session: ed would change the target")


@pytest.mark.parametrize(
    "arguments",
    [
        ("exec",),
        ("nosuch",),
        ("exec", "nonsense", "-c", "r"),
        ("exec", "sim:", "-c", "r", "--timeout", "never"),
        ("decode",),
        ("symbols", "x.pdb", "--address", "zz"),
        ("exec", "sim:scenario=zz", "-c", "r"),
        ("exec", "sim:arch=zz", "-c", "r"),
        ("exec", "sim:x=1", "-c", "r"),
        ("simulate", "--scenario", "zz"),
        ("simulate", "--arch", "zz"),
        ("decode", "x.pcap", "--target", "99999"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(arguments)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    errors = capsys.readouterr().err
    assert status == 2
    assert errors.startswith("kdnb: ")
    assert errors.count("\n") == 1
    assert "invalid _" not in errors


def test_nothing_on_standard_input_is_no_capture() -> None:
    done = kdnb("decode", "-")
    assert done.returncode == 1
    assert done.stderr.startswith("kdnb: standard input is no capture")


def test_a_target_that_isnt_there_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exec", "tcp:127.0.0.1:1", "-c", "r", "--timeout", "2"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_that_is_no_capture_is_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"nothing of the kind" * 10)
    assert main(["decode", str(path)]) == 1
    assert main(["decode", str(tmp_path / "absent.pcap")]) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 2
    assert all(line.startswith("kdnb: ") for line in errors.splitlines())


def test_symbols_of_a_pdb(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pdb = str(repository / "kdnb/simulator/guest/images/ntkrnlmp.pdb")
    assert main(["symbols", pdb, "--x", "KeBugCheck*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith(" KeBugCheckEx") for line in lines)
    rva = next(line.split()[0] for line in lines if line.endswith(" KeBugCheckEx"))
    assert main(["symbols", pdb, "--address", f"0x{int(rva, 16) + 3:x}"]) == 0
    assert capsys.readouterr().out == "KeBugCheckEx+0x3\n"
    assert main(["symbols", pdb, "--x", "NoSuch*"]) == 1


def test_help_names_every_sub_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in ("exec", "decode", "simulate", "symbols", "demo", "lab", "install"):
        assert name in text


def test_a_path_that_is_not_there_is_one_line_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent"
    (absent.parent / "file").touch()
    for arguments in (
        ["symbols", str(absent)],
        ["demo", "-o", str(absent / "page.html")],
        ["install", "--prefix", str(tmp_path / "file" / "below")],
        ["simulate", "--symbols", str(tmp_path / "file" / "below")],
    ):
        assert main(arguments) == 1
        line = capsys.readouterr().err
        assert line.startswith(f"kdnb: {tmp_path}")
        assert "; check the path" in line
        assert line.count("\n") == 1


def test_options_that_need_or_exclude_each_other_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "x.pcap", "--decrypted"]) == 2
    assert capsys.readouterr().err == "kdnb: --decrypted says what to write; say where: -o OUT.pcapng\n"
    for wrong in (["symbols", "x.pdb", "--x", "Ke*", "--dt", "_EPROCESS"], ["decode", "x.pcap", "--nonsense"]):
        with pytest.raises(SystemExit) as left:
            main(wrong)
        assert left.value.code == 2


def test_lab_passes_options_on_to_jupyterlab(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = []
    monkeypatch.setattr("kdnb.jupyter.quickstart.open_lab", lambda arguments: passed.extend(arguments) or 0)
    assert main(["lab", "--no-browser", "--port", "9999"]) == 0
    assert passed == ["--no-browser", "--port", "9999"]


def test_an_empty_type_name_is_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    from kdnb.simulator.guest_symbols import __file__ as beside

    pdb = next((Path(beside).parent / "guest" / "images").glob("ntkrnlmp.pdb"))
    assert main(["symbols", str(pdb), "--dt", ""]) == 1
    assert "not found" in capsys.readouterr().err


def test_decode_takes_the_key_from_the_environment(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KDNB_KEY", "8.8.8.8")
    assert main(["decode", str(shared / "captures" / "windbg-kdnet.pcapng.gz")]) == 0
    assert "invalid 0, undecoded 0" in capsys.readouterr().out
