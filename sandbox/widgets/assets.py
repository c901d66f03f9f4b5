"""Join the JavaScript files of a widget into one module and write self-contained pages.

Browsers get one inline ES module: no server path, no CDN. The files stay apart on disk, with
ordinary relative imports, so that editors and node read them as they are.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["bundle", "page", "read"]

_ROOM = Path(__file__).parent
_IMPORT = re.compile(r'^import\s*\{[^}]*\}\s*from\s*"\./([\w.]+)";\n', re.MULTILINE)


def read(name: str) -> str:
    """Return the text of a file of this room."""
    return (_ROOM / name).read_text(encoding="utf-8")


def bundle(name: str) -> str:
    """Return a JavaScript file with the files it imports (each once, in front) as one module."""
    seen: list[str] = []

    def visit(file: str) -> None:
        if file not in seen:
            for inner in _IMPORT.findall(read(file)):
                visit(inner)
            seen.append(file)

    visit(name)
    return "\n".join(_IMPORT.sub("", read(file)) for file in seen)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
{css}
</style></head>
<body class="sbx-page"><main id="widget"></main>
<noscript>{summary}</noscript>
<script type="module">
{esm}
const state = {state};
for (const [key, value] of Object.entries(state)) {{
  if (value && value.base64 !== undefined) {{
    const bytes = Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0));
    state[key] = new DataView(bytes.buffer);
  }}
}}
const model = {{
  get: (key) => state[key],
  set: (key, value) => {{ state[key] = value; }},
  save_changes() {{}}, send() {{}}, on() {{}}, off() {{}},
}};
{widget}.render({{ model, el: document.getElementById("widget") }});
</script></body></html>
"""


def page(title: str, esm: str, css: str, state: Mapping[str, Any], summary: str) -> str:
    """Return one HTML file that shows the widget without a kernel and without a network."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes | bytearray | memoryview):
            return {"base64": base64.b64encode(bytes(value)).decode("ascii")}
        return value

    text = json.dumps({key: plain(value) for key, value in state.items()})
    return _PAGE.format(
        title=html.escape(title),
        css=css,
        summary=html.escape(summary),
        # The module's default export becomes a name, and no string of it may close the script.
        esm=esm.replace("export default", "const sandboxWidget =").replace(
            "</script", "<\\/script"
        ),
        state=text.replace("</", "<\\/"),
        widget="sandboxWidget",
    )
