"""Fills the one presenter of `kdnb.results.base`: text for every result, HTML where there is some.

Import this module for its effect; after that, the repr of each result is WinDbg's text.
"""

from __future__ import annotations

from kdnb.render import html_objects
from kdnb.render.html import to_html
from kdnb.render.text import to_text
from kdnb.results.base import Presentation, Result, present

__all__ = ["HTML_FORMATTERS", "LINE_LIMIT", "present_result"]

HTML_FORMATTERS = (html_objects,)
"""Imported for what they register with `to_html`."""

LINE_LIMIT = 512
"""Lines of text kept in a notebook for one result: 512 lines of `db` are 8 KiB of memory in about 40 KB."""


@present.register(Result)
def present_result(value: Result) -> Presentation:
    """The mimebundle of a result."""
    bundle: Presentation = {"text/plain": to_text(value, LINE_LIMIT)}
    html = to_html(value)
    if html is not None:
        bundle["text/html"] = html
    return bundle
