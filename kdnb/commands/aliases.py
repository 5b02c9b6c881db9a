"""Aliases: names that stand for text (`as aS al ad`, `${name}`, `$u0`; the command reference, 8)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.commands.host_files import read_text
from kdnb.errors import ExpressionError, UnknownNameError
from kdnb.render.text import to_text
from kdnb.results.values import Text

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result

__all__ = ["aliases_of", "expand"]

LENGTH_LIMIT = 65_536
"""Characters that a line may grow to."""
_REFERENCE = re.compile(r"\$\{(?:/([dfnv]):)?([^{}\s]+)\}")
_AUTOMATIC = {"$ntnsym": "nt", "$ntwsym": "nt", "$ntsym": "nt"}
"""Where NT's names are: in the kernel, whatever the target's words are long."""
_UNTOUCHED = re.compile(r"(?:as|al|ad)\b", re.IGNORECASE)


def aliases_of(session: Session) -> dict[str, str]:
    """Name -> text; `$u0` to `$u9` among them."""
    aliases = session.options.setdefault("aliases", {})
    assert isinstance(aliases, dict)
    return aliases


def expand(session: Session, line: str) -> str:
    """The line with aliases replaced, once; lines that define aliases stay as they are."""
    aliases = _AUTOMATIC | aliases_of(session)
    if _UNTOUCHED.match(line):
        return line
    for name, text in aliases.items():
        if name.startswith("$u"):
            line = line.replace(name, text)
    words = sorted((name for name in aliases if not name.startswith("$u")), key=len, reverse=True)
    alone = "|".join(map(re.escape, words)) or r"(?!)"
    pattern = rf"{_REFERENCE.pattern}|(?<![^\s;{{}}\"(),])(?:{alone})(?![^\s;{{}}\"(),])"
    line = re.sub(pattern, lambda found: _referred(aliases, found) if found[2] else aliases[found[0]], line)
    if len(line) > LENGTH_LIMIT:
        raise ExpressionError(f"Aliases make the line {len(line)} characters long", "al lists them")
    return line


def _referred(aliases: dict[str, str], found: re.Match[str]) -> str:
    kind, name = found[1], found[2]
    value = aliases.get(name)
    match kind:
        case "d":
            return str(int(value is not None))
        case "f":
            return value or ""
        case "n":
            return name if value is not None else found[0]
        case "v":
            return found[0]
    return found[0] if value is None else value


@command(
    "as",
    "aS",
    summary="Define an alias; aS ends at the ; unless the text is quoted.",
    syntax='as Name Text to the end of the line\naS Name Text|"Text"\nas|aS /x Name Expression\n'
    "as|aS /ma|/mu|/msa|/msu Name Address\nas|aS /c Name Commands\nas|aS /e Name Variable\naS /f Name File",
    details="The name is replaced by the text where it stands alone, or as ${Name}; it is seen from the next block on. "
    "/x takes a value, /ma and /mu a string in memory, /msa and /msu a counted one, /e an environment variable of this "
    "computer; these end at a ;. /c takes the output of commands, /f the text of a file.",
    examples=("as here nt!KeBugCheckEx", 'aS two "a; b"', "aS /x sp @rsp", "aS /c mods lm1m"),
    tier="B",
    needs_stop=False,
)
def set_alias(session: Session, arguments: Arguments) -> Result:
    """Silent."""
    options = arguments.options({name: False for name in ("x", "ma", "mu", "msa", "msu", "c", "e", "f")})
    kind = next(iter(options), "")
    if kind in ("e", "f"):
        arguments.require_trusted()
    name = arguments.word()
    if not re.fullmatch(r"[^\s\"'{}();$,]{1,64}", name):
        raise ExpressionError(f"Syntax error at '{name[:60] or '<EOL>'}'", "as Name Text")
    aliases_of(session)[name] = _text(session, arguments, kind)
    return Text("")


def _text(session: Session, arguments: Arguments, kind: str) -> str:
    match kind:
        case "x":
            return f"0x{arguments.expression():x}"
        case "c":
            return "\n".join(to_text(result) for result in arguments.run(arguments.all()))
        case "e":
            variable = arguments.word()
            if variable not in os.environ:
                raise UnknownNameError(f"there is no environment variable {variable[:60]!r}", "as Name Text")
            return os.environ[variable]
        case "f":
            return read_text(arguments.all())
        case "ma" | "mu":
            return session.memory.read_string(arguments.expression(), wide=kind == "mu")
        case "msa" | "msu":
            return session.memory.read_counted_string(arguments.expression(), wide=kind == "msu")
    quoted = arguments.quoted() if arguments.name == "aS" else None
    return arguments.all() if quoted is None else quoted


@command("al", summary="List aliases.", syntax="al", examples=("al",), tier="B", needs_stop=False)
def list_aliases(session: Session, arguments: Arguments) -> Result:
    """Names and texts."""
    rows = [f" {name:<16} {text}" for name, text in sorted(aliases_of(session).items())]
    head = ["  Alias            Value  ", " -------          ------- "]
    return Text("\n".join([*head, *rows] if rows else ["No aliases"]))


@command(
    "ad",
    summary="Delete aliases.",
    syntax="ad [/q] Name|*",
    details="/q: a name that isn't there is no error.",
    examples=("ad *",),
    tier="B",
    needs_stop=False,
)
def delete_alias(session: Session, arguments: Arguments) -> Result:
    """Silent."""
    quiet = "q" in arguments.options({"q": False})
    name = arguments.all().strip()
    aliases = aliases_of(session)
    if name == "*":
        aliases.clear()
    elif aliases.pop(name, None) is None and not quiet:
        raise UnknownNameError(f"There is no alias '{name[:60]}'", "al lists them")
    return Text("")
