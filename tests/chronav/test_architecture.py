"""The folders import each other in one direction only: read from the source of every file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("pipelines", "trainer", "evaluation", "deploy")
MAY_IMPORT = {
    "chronav": ("chronav",),
    "pipelines": ("chronav", "pipelines"),
    # The trainer reads the clip table, and knows nothing of how it is made.
    "trainer": ("chronav", "trainer", "pipelines.schema", "pipelines.table"),
    "evaluation": ("chronav", "pipelines", "trainer", "evaluation"),
    "deploy": ("chronav", *SERVICES),
}
OURS = ("chronav", *SERVICES)


def _files() -> list[Path]:
    return sorted(path for folder in OURS for path in (ROOT / folder).rglob("*.py"))


def _imports(node: ast.AST, at_module_level: bool = True) -> Iterator[tuple[str, bool]]:
    """Every imported name, and whether it happens when the module is loaded; typing-only imports left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, at_module_level) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative imports hide what is imported"
            yield from ((f"{child.module}.{alias.name}", at_module_level) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, at_module_level and not inside)


def _allowed(name: str, folder: str) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in MAY_IMPORT[folder])


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_picture(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    for name, _ in _imports(ast.parse(path.read_text())):
        if name.partition(".")[0] in OURS:
            assert _allowed(name, folder), f"{folder} may not import {name}"
        assert name.partition(".")[0] not in ("tests", "benchmarks")
        if folder == "evaluation":
            assert not f"{name}.".startswith("trainer.loop."), "evaluation runs without the training loop"


def test_the_rules_are_not_empty() -> None:
    assert not _allowed("pipelines.decode.read", "trainer")
    assert not _allowed("pipelines.schemata", "trainer")
    assert not _allowed("trainer.model", "pipelines")
    assert not _allowed("pipelines.job", "chronav")
    assert _allowed("pipelines.schema.Reason", "trainer")
    found = list(
        _imports(ast.parse("import a\ndef f():\n  from b import c\nif TYPE_CHECKING:\n  import d\n"))
    )
    assert found == [("a", True), ("b.c", False)]


LIGHT = {
    # module -> what it must not load
    "chronav.cli": ("torch", "ray", "mlflow", "decord"),
    "pipelines.config": ("torch", "ray"),
    "pipelines.schema": ("torch", "ray"),
    "pipelines.table": ("torch", "ray", "decord", "av"),
    "pipelines.job": ("torch",),
    "pipelines.inspect": ("torch", "ray", "decord", "mlflow"),
    "evaluation.compare": ("torch", "ray", "sklearn", "mlflow", "decord"),
    "deploy.submit": ("torch", "decord", "av", "pipelines", "trainer", "evaluation"),
}


@pytest.mark.parametrize("module", sorted(LIGHT))
def test_modules_load_without_what_they_do_not_need(module: str) -> None:
    blocked = LIGHT[module]
    script = (
        "import sys\n"
        f"for name in {blocked!r}: sys.modules[name] = None\n"  # an import of it raises
        f"import {module}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


_QUIET_CALLS = ("add_typer", "add_implicit_resolver")


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_happens_at_import(path: Path) -> None:
    """A bare call at module level does something; definitions and constants do not."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func)
            assert called.endswith(_QUIET_CALLS) or called == "os.environ.setdefault", called
        assert not isinstance(node, ast.For | ast.While | ast.With), ast.unparse(node)[:80]
