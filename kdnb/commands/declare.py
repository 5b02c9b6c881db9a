"""How a command is declared: one decorator, one table.

The declaration carries all that is known about a command apart from what it does: help, the reference page,
completion, read-only mode and the tests read it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

    Function = Callable[[Session, Arguments], Result | Iterator[Result]]
    """What a command is: a value, or one value after the other where it runs other commands."""

__all__ = ["COMMANDS", "Command", "command", "declared_commands", "exact_name", "find_command", "help_text"]


@dataclass(frozen=True, slots=True)
class Command:
    """A declared command. Several names are forms of one command (`db dw dd ...`); the first is the title."""

    names: tuple[str, ...]
    function: Function
    summary: str
    syntax: str
    details: str
    examples: tuple[str, ...]
    family: str
    tier: str
    suffix: str
    """Regular expression of what may follow the name without a blank (`kL`, `bp0`, `lmvm`)."""
    changes_target: bool
    dangerous: bool
    """May bring the target down or lose data; shown in help and marked in output."""
    resumes: bool
    """Lets the target run."""
    needs_stop: bool
    """Can't be carried out while the target runs."""
    touches_host: bool
    """Reads or writes files of this computer: refused where the text may come from the target."""


F = TypeVar("F", bound="Function")

COMMANDS: dict[str, Command] = {}
"""Name (with its case) -> command. Filled when the modules of `kdnb.commands` are imported."""


def command(
    *names: str,
    summary: str,
    syntax: str,
    details: str = "",
    examples: Sequence[str] = (),
    tier: str = "A",
    suffix: str = "",
    changes_target: bool = False,
    dangerous: bool = False,
    resumes: bool = False,
    needs_stop: bool = True,
    touches_host: bool = False,
) -> Callable[[F], F]:
    """Declare the function below as the command `names`."""

    def declare(function: F) -> F:
        declared = Command(
            names,
            function,
            summary,
            syntax,
            details,
            tuple(examples),
            function.__module__.rpartition(".")[2],
            tier,
            suffix,
            changes_target,
            dangerous,
            resumes,
            needs_stop,
            touches_host,
        )
        for name in names:
            assert name not in COMMANDS, f"two commands are called {name}"
            COMMANDS[name] = declared
        return function

    return declare


def exact_name(typed: str) -> str | None:
    """The declared name that `typed` means: in any case, unless two names differ by case only (`dd`, `dD`)."""
    return typed if typed in COMMANDS else _folded(len(COMMANDS)).get(typed.lower())


@lru_cache(maxsize=1)
def _folded(count: int) -> dict[str, str]:
    """Lower case -> declared name; of two that differ by case, the lower one. `count` renews the cache."""
    folded: dict[str, str] = {}
    for name in sorted(COMMANDS, reverse=True):  # lower case sorts behind upper case, so it comes first here
        folded.setdefault(name.lower(), name)
    return folded


def find_command(name: str) -> Command | None:
    """The command called `name`."""
    exact = exact_name(name)
    return COMMANDS[exact] if exact is not None else None


def declared_commands() -> list[Command]:
    """Every command once, in the order of declaration."""
    return list(dict.fromkeys(COMMANDS.values()))


def help_text(declared: Command) -> str:
    """Help for one command as plain text."""
    parts = [f"{' '.join(declared.names)}: {declared.summary}", "", "Syntax:"]
    parts += [f"    {line}" for line in declared.syntax.split("\n")]
    if declared.details:
        parts += ["", declared.details]
    marks = []
    if declared.changes_target:
        marks.append("Changes the target: a read-only session refuses it.")
    if declared.dangerous:
        marks.append("Dangerous: it can bring the target down.")
    if marks:
        parts += ["", *marks]
    if declared.examples:
        parts += ["", "Examples:", *(f"    {example}" for example in declared.examples)]
    return "\n".join(parts)
