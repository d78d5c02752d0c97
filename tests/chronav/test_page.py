from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import ChoiceLoader, DictLoader

from chronav import __version__, page

MEDIA = b"\xff\xd8 \xff\xd9"
SOURCE = """{% extends "base.html" %}
{% block title %}{{ title }}{% endblock %}
{% block body %}<img alt="" src="{{ media|jpeg }}">{% endblock %}"""


def test_a_page_has_the_common_look_and_stands_alone(tmp_path: Path) -> None:
    templates = page.environment("chronav")
    templates.loader = ChoiceLoader([DictLoader({"own.html": SOURCE}), templates.loader or DictLoader({})])
    path = tmp_path / "new" / "page.html"
    page.write(str(path), templates, "own.html", title="<a & b>", media=MEDIA)
    text = path.read_text(encoding="utf-8")
    assert "<title>&lt;a &amp; b&gt;</title>" in text
    assert "prefers-color-scheme: dark" in text
    assert f"Made by chronav {__version__} on " in text
    assert f"data:image/jpeg;base64,{base64.b64encode(MEDIA).decode()}" in text
    assert "http" not in text


def test_a_service_has_its_own_templates() -> None:
    assert {"evaluation.html", "base.html"} <= set(page.environment("evaluation").list_templates())
