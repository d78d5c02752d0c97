"""HTML pages: one file each, with nothing outside of it, readable on a phone and in the dark.

`templates/base.html` is the look that all of them share; each service has its own templates beside it.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader

from chronav import __version__, storage


def environment(package: str) -> Environment:
    """Templates of `package` (its folder `templates`), which may extend `base.html`."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("chronav")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["jpeg"] = lambda data: data_uri(data, "image/jpeg")
    return made


def data_uri(data: bytes, kind: str) -> str:
    """A file's content as a URL of its own; `kind`: its media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def write(path: str, templates: Environment, name: str, /, **values: Any) -> None:
    """Fill in the template `name` and write the page to `path` (local or URL)."""
    made = datetime.now().astimezone().strftime("%-d %B %Y, %H:%M")
    page = templates.get_template(name).render(version=__version__, made=made, **values)
    storage.write_bytes(path, page.encode("utf-8"))
