"""The shell command `kdnb`. Thin: each sub-command is a call into the library.

Exit status: 0 done, 1 something that was asked for failed, 2 the command line itself is wrong. Errors are one line
on standard error: `kdnb: what; what to do`.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kdnb.errors import ConnectionStringError, KdnbError, UnknownNameError, UsageError
from kdnb.transport.registry import KEY_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kdnb.api import Debugger
    from kdnb.results.base import Result
    from kdnb.results.events import DebugPrint
    from kdnb.symbols.pdb import PdbFile

__all__ = ["main"]

TIMEOUT = 30.0
"""Seconds for connecting, and for each `g` of `kdnb exec`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; gives the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a target's names may have letters that a Windows code page lacks
    parser = _parser()
    options, others = parser.parse_known_args(arguments)
    if "arguments" in options:  # argparse's REMAINDER doesn't begin with an option
        options.arguments = others
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (ConnectionStringError, _CommandLineError) as error:
        _complain(str(error))
        return 2
    except OSError as error:
        if _reader_has_gone(error):
            # The interpreter must not stumble over it once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        where = "standard output" if error.filename is None else error.filename
        _complain(f"{where}: {error.strerror or error}; check the path and the disk")
        return 1
    except KdnbError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted")
        return 1


def _reader_has_gone(error: OSError) -> bool:
    """Whether nobody reads our output any more."""
    gone_on_windows = sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None
    return isinstance(error, BrokenPipeError) or gone_on_windows


class _CommandLineError(UsageError):
    """An argument that argparse can't check."""


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message}; {self.prog} --help shows what there is")
        raise SystemExit(2)


def _say(text: str) -> None:
    from kdnb.render.lines import printable

    print(printable(text), flush=True)


def _complain(text: str) -> None:
    from kdnb.render.lines import printable

    print(f"kdnb: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)


# --- the sub-commands -------------------------------------------------------------------------------


def _exec(options: argparse.Namespace) -> int:
    import kdnb
    from kdnb.commands.parse import pieces

    with kdnb.connect(
        options.spec,
        symbols=options.symbols,
        timeout=options.timeout,
        read_only=options.read_only,
        progress=_complain if sys.stderr.isatty() else None,  # a script's standard error is for errors
    ) as debugger:
        _show_prints(debugger)
        debugger.session.options["go_timeout"] = options.timeout
        if options.prompt_default is None and sys.stdin.isatty():
            debugger.ask_prompts(_ask)
        else:
            debugger.answer_prompts(options.prompt_default)
        for text in options.commands:
            for _, command in pieces(text):
                _run_command(debugger, command, options.timeout)
    return 0


def _ask(question: str) -> str | None:
    """The target's question on the terminal; None at its end."""
    from kdnb.render.lines import printable

    try:
        return input(f"{printable(question).strip()} ")
    except EOFError:
        return None


def _run_command(debugger: Debugger, command: str, timeout: float) -> None:
    from kdnb.commands.run import prompt

    _say(f"{debugger.run(prompt)} {command}")
    for result in debugger.execute(command):
        if _outlasted(result):
            _say(f"(still running after {timeout:g} s: broken into)")
            result = debugger.break_in()  # noqa: PLW2901  # what the command has come to
        _show(result)


def _outlasted(result: Result) -> bool:
    """Whether `g` came back only because its time was up."""
    from kdnb.results.events import Running

    return isinstance(result, Running) and result.seconds is not None


def _show(result: Result) -> None:
    from kdnb.render.text import to_text

    text = to_text(result)
    if text:
        print(text, end="\n" if getattr(result, "ends_line", True) else "", flush=True)


def _show_prints(debugger: Debugger) -> None:
    from kdnb.render.lines import printable
    from kdnb.transport.signals import interrupt_main_thread

    def show(event: DebugPrint) -> None:
        try:
            sys.stdout.write(printable(event.text))
            sys.stdout.flush()
        except OSError as error:
            if not _reader_has_gone(error):
                raise
            debugger.events.on_print.remove(show)
            interrupt_main_thread()  # whoever read our output has gone: a `g` would wait for nobody

    debugger.events.on_print(show)


def _decode(options: argparse.Namespace) -> int:
    from kdnb.capture.open import open_capture
    from kdnb.capture.summary import summarise
    from kdnb.capture.writers import write, write_decrypted

    if options.decrypted and options.output is None:
        raise _CommandLineError("--decrypted says what to write", "say where: -o OUT.pcapng")
    key = options.key or os.environ.get(KEY_VARIABLE) or None
    capture = open_capture(options.file, key, options.target, options.direction)
    if options.output is None:
        _say(summarise(capture).rstrip("\n"))
    else:
        try:
            (write_decrypted if options.decrypted else write)(capture, options.output)
        except UsageError as error:
            raise _CommandLineError(error.message, error.hint) from error
    for problem in capture.problems:
        _complain(problem)
    return 1 if capture.problems else 0


def _simulate(options: argparse.Namespace) -> int:
    try:
        from kdnb.simulator.serve import run_simulator
    except ImportError as error:
        from kdnb.errors import MissingExtraError

        raise MissingExtraError(f"the simulated machine needs {error.name}", "pip install 'kdnb[sim]'") from error
    return run_simulator(
        options.listen,
        scenario=options.scenario,
        architecture=options.arch,
        symbols=options.symbols,
        faults=options.faults,
        until_stdin_closes=options.until_stdin_closes,
        write=_say,
    )


def _proxy(options: argparse.Namespace) -> int:
    from kdnb.proxy import run_proxy

    try:
        return run_proxy(
            options.listen, options.target, options.output, faults=options.faults, write=_say, tell=_complain
        )
    except UsageError as error:
        raise _CommandLineError(error.message, error.hint) from error


def _symbols(options: argparse.Namespace) -> int:
    from kdnb.symbols.pdb import PdbFile
    from kdnb.symbols.table import SymbolTable

    pdb = PdbFile.open(options.file)
    table = SymbolTable.from_pdb(pdb)
    if options.address is not None:
        nearest = table.nearest(options.address)
        if nearest is None:
            raise UnknownNameError(f"no symbol is at or below {options.address:#x}", "addresses are RVAs")
        name, displacement = nearest
        _say(f"{name}+{displacement:#x}" if displacement else name)
        return 0
    if options.type is not None:
        return _show_type(pdb, options.type)
    found = table.search(options.pattern or "*")
    if not found:
        raise UnknownNameError(f"no symbol matches {options.pattern!r}", "* stands for any characters")
    for symbol in found:
        _say(f"{symbol.rva:08x} {symbol.name}")
    return 0


def _show_type(pdb: PdbFile, name: str) -> int:
    from kdnb.commands.type_listing import type_layout

    _show(type_layout(pdb.types, name))
    return 0


def _demo(options: argparse.Namespace) -> int:
    from kdnb.jupyter.quickstart import run_demo

    _say(f"written: {run_demo(options.output, _say)}")
    return 0


def _lab(options: argparse.Namespace) -> int:
    from kdnb.jupyter.quickstart import open_lab

    return open_lab(options.arguments)


def _install(options: argparse.Namespace) -> int:
    from kdnb.jupyter.install import install_kernelspec

    _say(f"kernelspec written: {install_kernelspec(prefix=options.prefix)}")
    return 0


# --- the command line -------------------------------------------------------------------------------


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number (1234 or 0x4d2)") from None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)


def _scenario(text: str) -> str:
    from kdnb.simulator.loader import SCENARIOS

    if text not in SCENARIOS:
        raise argparse.ArgumentTypeError(f"there is no scenario {text!r} (choose from {', '.join(SCENARIOS)})")
    return text


def _parser() -> argparse.ArgumentParser:
    import kdnb

    parser = _Parser(prog="kdnb", description="A debugger for the Windows kernel: KD protocol, captures, notebooks.")
    parser.add_argument("--version", action="version", version=f"kdnb {kdnb.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, run: Callable[[argparse.Namespace], int], summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    one = add("exec", _exec, "Connect, run WinDbg commands, let the target run on.")
    one.add_argument("spec", help="sim:, tcp:HOST:PORT, com:port=..., unix:PATH, net:port=...,key=...")
    one.add_argument("-c", dest="commands", action="append", required=True, metavar="COMMANDS", help='"k; r; g"')
    one.add_argument("--timeout", type=_seconds, default=TIMEOUT, help="seconds to connect, and for each g (30)")
    one.add_argument("--symbols", metavar="PATH", help="symbol path, as in WinDbg")
    one.add_argument("--read-only", action="store_true", help="refuse commands that change the target")
    one.add_argument(
        "--prompt-default",
        metavar="ANSWER",
        help="what to answer when the target asks (DbgPrompt): b o i p t; without it a terminal is asked, else o",
    )

    one = add("decode", _decode, "Decode a capture of KD traffic: a summary, or a table of packets.")
    one.add_argument("file", help="pcap, pcapng or raw bytes, also gzipped; - is standard input")
    one.add_argument("--key", help=f"KDNET key w.x.y.z; better in {KEY_VARIABLE}, others see command lines")
    one.add_argument("--target", type=_port, metavar="PORT", help="TCP port of the target's end")
    one.add_argument("--direction", choices=("to_host", "to_target"), help="direction of a raw byte log")
    one.add_argument("-o", dest="output", metavar="OUT", help="write .csv, .parquet, .jsonl or .pcapng")
    one.add_argument("--decrypted", action="store_true", help="-o OUT.pcapng with KDNET's packets as on a serial line")

    one = add("simulate", _simulate, "Serve the simulated machine to any KD client.")
    one.add_argument("--listen", default="tcp:127.0.0.1:5555", metavar="SPEC", help="default tcp:127.0.0.1:5555")
    one.add_argument("--scenario", type=_scenario, default="idle", help="what runs: idle (default), boot, ...")
    one.add_argument("--arch", choices=("amd64", "x86"), default="amd64", help="amd64, x86")
    one.add_argument("--symbols", type=Path, metavar="DIR", help="write the guest's PDBs there, in store layout")
    one.add_argument("--faults", metavar="RULES", help="damage the line: drop=0.01,dir=to_host,seed=3")
    one.add_argument("--until-stdin-closes", action="store_true", help=argparse.SUPPRESS)

    one = add("proxy", _proxy, "Sit between a KD client and a KD target, and record what they say.")
    one.add_argument("listen", metavar="LISTEN", help="where the client comes: tcp:127.0.0.1:5556, unix:PATH, com:...")
    one.add_argument("target", metavar="TARGET", help="where the target is: tcp:HOST:PORT, unix:PATH, com:port=...")
    one.add_argument("-o", dest="output", required=True, type=Path, metavar="FILE.pcapng", help="the recording")
    one.add_argument("--faults", metavar="RULES", help="damage the line: damage=0.05,dir=to_host,seed=3")

    one = add("symbols", _symbols, "List the names in a PDB.")
    one.add_argument("file", help="FILE.pdb")
    what = one.add_mutually_exclusive_group()
    what.add_argument("--x", dest="pattern", metavar="PATTERN", help="names that match: Ke*")
    what.add_argument("--address", type=_number, metavar="RVA", help="the name at or below an RVA")
    what.add_argument("--dt", dest="type", metavar="NAME", help="layout of a type")

    one = add("demo", _demo, "Run the quickstart on the simulated machine, print it, write it as HTML.")
    page = Path("kdnb-quickstart.html")
    one.add_argument("-o", dest="output", type=Path, default=page, help=f"default {page}")

    one = add("lab", _lab, "Open the quickstart in JupyterLab.")
    one.usage = "kdnb lab [-h] [ARGUMENT ...]"
    one.epilog = "All arguments are passed on to JupyterLab."
    one.set_defaults(arguments=())

    one = add("install", _install, "Install the Jupyter kernel for this user.")
    one.add_argument("--prefix", help="install below this folder instead")
    return parser
