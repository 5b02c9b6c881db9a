"""`!lmi`, `!dh`: what stands in the headers of an image (the command reference, 7.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdnb.commands.declare import command
from kdnb.debugger.image_headers import image_headers
from kdnb.errors import ExpressionError, SymbolFileError, UnknownNameError, UnsupportedError
from kdnb.results.images import LoadedImage
from kdnb.symbols.pe import PeImage

if TYPE_CHECKING:
    from kdnb.commands.arguments import Arguments
    from kdnb.debugger.modules import Module
    from kdnb.debugger.session import Session
    from kdnb.results.base import Result


def _module(session: Session, arguments: Arguments) -> Module:
    """A module by its name, or by an address in it."""
    text = arguments.rest
    if not text:
        raise ExpressionError("Syntax error at '<EOL>'", "give a module: nt")
    found = session.modules.get(arguments.word())
    if found is None:
        arguments.rest = text
        address = arguments.expression()
        found = session.modules.find(address)
        if found is None:
            raise UnknownNameError(f"no module is at {session.symbols.format(address)}", "lm lists the modules")
    return found


@command(
    "!lmi",
    summary="Show what is known about a loaded image and its symbols.",
    syntax="!lmi Module|Address",
    examples=("!lmi nt",),
    tier="B",
)
def loaded_image(session: Session, arguments: Arguments) -> Result:
    """The image's identity, and where its symbols come from."""
    module = _module(session, arguments)
    image = module.image
    if image is None:
        raise UnsupportedError(f"the headers of {module.name} can't be read: {module.symbol_note}", "lm v shows more")
    codeview = image.codeview
    pdb = module.pdb
    return LoadedImage(
        name=module.name,
        base=module.base,
        image_name=module.image_name,
        machine=image.machine,
        timestamp=image.timestamp,
        size=module.size,
        checksum=image.checksum,
        characteristics=image.characteristics,
        address_size=session.pointer_size,
        pdb_name=codeview.pdb_name if codeview else "",
        pdb_guid=codeview.guid if codeview else "",
        pdb_age=codeview.age if codeview else 0,
        symbol_status=module.symbol_status,
        symbol_file=module.symbol_file,
        symbol_note=module.symbol_note,
        has_types=pdb is not None and module.types is not None,
        is_file=module.is_unloaded,
    )


@command(
    "!dh",
    summary="Show the headers of an image: file header, optional header, sections.",
    syntax="!dh [-f|-s|-a] Module|Address",
    details="-f shows the two headers only, -s the sections only.",
    examples=("!dh nt", "!dh -s nt", "!dh -f disk"),
    tier="B",
)
def display_headers(session: Session, arguments: Arguments) -> Result:
    """The headers, from target memory."""
    option = arguments.match(r"-([fsaeiv])(?=\s|$)")
    text = arguments.rest
    if not text:
        raise ExpressionError("Syntax error at '<EOL>'", "!dh nt")
    module = session.modules.get(arguments.word())
    if module is not None:
        option = arguments.match(r"-([fsaeiv])$") or option
        base, image = module.base, module.image
    else:
        arguments.rest = text
        base = arguments.expression() & session.address_mask
        try:
            image = PeImage.parse(session.memory.read, base)
        except SymbolFileError as error:
            raise UnsupportedError(error.message, "lm lists the images") from error
    if image is None:
        raise UnsupportedError(f"no headers can be read at {base:x}", "lm lists the images")
    letter = option[1] if option else "a"
    return image_headers(image, base, shows_headers=letter != "s", shows_sections=letter != "f")
