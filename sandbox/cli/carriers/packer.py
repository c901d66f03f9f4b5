"""Packer templates in two forms from one source.

A line of a source that ends in `#@classic` or `#@current` goes into that form only; all others go
into both. Classic is for the Packer that Debian has (1.6.6), which refuses the plugin block and
the settings of the metadata service; current is for 1.9 and later, which has and needs them.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..places import ROOT

FORMS = ("classic", "current")
SOURCES = {
    ROOT / "ami" / "sandbox.pkr.hcl.in": ROOT / "ami",
    ROOT / "vm" / "packer" / "qemu.pkr.hcl.in": ROOT / "vm" / "packer",
    ROOT / "vm" / "packer" / "virtualbox.pkr.hcl.in": ROOT / "vm" / "packer",
}
MARK = re.compile(r"\s*#@(\w+)$")


def render(source: str, form: str) -> str:
    r"""Give one form of a template.

    Examples
    --------
    >>> render("a = 1\nb = 2  #@current\n", "classic")
    'a = 1\n'
    """
    lines = []
    for line in source.splitlines():
        mark = MARK.search(line)
        if mark is None or mark[1] == form:
            lines.append(MARK.sub("", line).rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def outputs() -> dict[Path, str]:
    """Give every generated file and what must be in it."""
    return {
        folder / form / source.name.removesuffix(".in"): render(source.read_text(), form)
        for source, folder in SOURCES.items()
        for form in FORMS
    }


def write() -> list[Path]:
    """Write the generated files; give those that changed."""
    changed = []
    for file, text in outputs().items():
        if not file.is_file() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            changed.append(file)
    return changed
