"""The plan of the house (docs/architecture.md), held against the imports."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("concealer", "engines", "pipelines", "train", "benchmarks")

NOUNS = ("damage", "picture", "outlook", "outcome", "flow", "face_map")
READING = {"nouns", "bitstream"}
MAY_IMPORT: dict[str, set[str]] = {
    "nouns": set(),
    "bitstream": set(),
    "standins": {"bitstream"},
    "hook": READING | {"standins"},
    "decoder": READING | {"standins", "hook"},
    "repair": {"nouns"},
    "splice": READING | {"standins", "hook", "decoder"},
    "networks": {"nouns"},
    "loss": READING,
    "front door": READING | {"decoder", "repair"},
    "engines": {"nouns", "networks", "version"},
    "pipelines": READING
    | {"standins", "hook", "decoder", "repair", "splice", "loss", "front door", "engines", "version"},
    "train": READING | {"decoder", "repair", "networks", "loss", "front door", "engines", "version"},
    "benchmarks": READING
    | {"standins", "hook", "decoder", "repair", "splice", "networks", "loss", "front door", "engines", "version"}
    | {"pipelines", "train"},
}
"""Room by room, bottom to top."""

FACES = {
    "bitstream": ("concealer.bitstream", "concealer.bitstream.h264", "concealer.bitstream.hevc"),
    "transport": ("concealer.bitstream.transport",),
    "standins": ("concealer.standins", "concealer.standins.h264", "concealer.standins.hevc"),
    "hook": ("concealer.decoder.hook",),
    "decoder": ("concealer.decoder", "concealer.decoder.locating", "concealer.decoder.promising"),
    "repair": ("concealer.repair",),
    "splice": ("concealer.splice",),
    "loss": ("concealer.loss",),
}
"""What others import of a room; modules of rooms that are not named are faces each."""


def room_of(module: str) -> str:
    """The room a module stands in; "version" for the package itself, which imports lazily."""
    parts = module.split(".")
    if parts[0] != "concealer":
        return parts[0]
    if len(parts) == 1:
        return "version"
    if parts[1] in NOUNS:
        return "nouns"
    if parts[1] == "front_door":
        return "front door"
    return "hook" if parts[1:3] == ["decoder", "hook"] else parts[1]


@cache
def modules() -> dict[str, Path]:
    """Path by dotted name."""
    found = {}
    for path in itertools.chain.from_iterable((ROOT / package).rglob("*.py") for package in PACKAGES):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def offered(package: str) -> frozenset[str]:
    """The names in a package's `__all__`; one of them may be that of a module too."""
    path = modules().get(package)
    for node in ast.parse(path.read_text()).body if path is not None else ():
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def imports_of(module: str) -> Iterator[tuple[str, int]]:
    """(imported module of ours, line); those inside functions too."""
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole in modules() and alias.name not in offered(node.module or "")
                target = whole if is_module else node.module
                if target in modules():
                    yield target, node.lineno
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in modules())


@cache
def graph() -> dict[str, list[tuple[str, int]]]:
    # The package's own face names what it offers for type checkers; it imports nothing.
    return {module: [] if module == "concealer" else list(imports_of(module)) for module in modules()}


def test_rooms_import_downwards_only() -> None:
    wrong = [
        f"{module}:{line} imports {target}"
        for module, targets in graph().items()
        for target, line in targets
        if room_of(module) != room_of(target)
        and room_of(module) != "version"
        and room_of(target) not in MAY_IMPORT[room_of(module)]
    ]
    assert wrong == []


def test_rooms_are_entered_by_their_face() -> None:
    faces = {face for some in FACES.values() for face in some}
    wrong = [
        f"{module}:{line} imports {target}"
        for module, targets in graph().items()
        for target, line in targets
        if room_of(module) != room_of(target) and room_of(target) in FACES and target not in faces
    ]
    assert wrong == []


def test_there_is_no_circle() -> None:
    seen: dict[str, int] = {}
    path: list[str] = []
    circles = []

    def visit(module: str) -> None:
        seen[module] = 1
        path.append(module)
        for target, _ in graph()[module]:
            # A package that imports its own modules is their face, not their user.
            if target == module or module.startswith(f"{target}."):
                continue
            if seen.get(target) == 1:
                circles.append(path[path.index(target) :] + [target])
            elif target not in seen:
                visit(target)
        path.pop()
        seen[module] = 2

    for module in graph():
        if module not in seen:
            visit(module)
    assert circles == []


def test_run_time_needs_no_torch() -> None:
    heavy = ("torch", "mediapipe", "tensorrt", "gi")
    allowed = (
        "concealer.networks.",
        "train",
        "engines.backends.torch_backend",
        "engines.definitions",
        "engines.zoo.torch_form",
        "engines.export",
    )
    wrong = []
    for module, path in modules().items():
        if module.startswith(allowed) or module.startswith("pipelines.gst"):
            continue
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{module}:{node.lineno} imports {name}" for name in names if name.partition(".")[0] in heavy]
    assert wrong == []


@pytest.mark.parametrize("place", ["concealer/decoder"])
def test_codecs_are_told_apart_in_one_place(place: str) -> None:
    """Elsewhere what differs is asked of `Rules` and `CodecHook`."""
    chosen = {"concealer/decoder/hook/core.py", "concealer/decoder/rules/__init__.py"}
    wrong = []
    for path in sorted((ROOT / place).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and name not in chosen:
                values = [part.value for part in [node.left, *node.comparators] if isinstance(part, ast.Constant)]
                wrong += [f"{name}:{node.lineno}" for value in values if value in ("h264", "hevc")]
    assert wrong == []


def test_files_and_functions_stay_small() -> None:
    tables = {"concealer/standins/h264/cavlc_tables.py"}
    hot = {
        ("concealer/standins/hevc/inter.py", "_tree"),
    }
    """Measured loops, with their cost written beside them."""
    wrong = []
    for path in modules().values():
        name, text = str(path.relative_to(ROOT)), path.read_text()
        if text.count("\n") > 400 and name not in tables:
            wrong.append(f"{name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (name, node.name) not in hot:
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 60:
                    wrong.append(f"{name}: {node.name} has {length} lines")
    assert wrong == []
