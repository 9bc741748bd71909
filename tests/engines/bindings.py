"""The real Python bindings of TensorRT, loaded without its libraries, and doubles that hold calls to their signatures.

The bindings need three libraries of 2 GB only to be loaded; empty ones that export the same nine functions do.
"""

from __future__ import annotations

import ctypes
import platform
import re
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import require

_LIBRARIES = ("libnvonnxparser.so.11", "libnvinfer_plugin.so.11", "libnvinfer.so.11")
_FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)


def load_bindings() -> ModuleType:
    """`tensorrt_bindings` 11; skips the test where they are not installed or cannot be loaded."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("the bindings are loaded with x86-64 Linux libraries")
    require_bindings()
    try:
        import tensorrt_bindings
    except ImportError:
        with tempfile.TemporaryDirectory() as folder:
            for name in _LIBRARIES:
                path = Path(folder) / name
                path.write_bytes(_library(name, _FUNCTIONS if name == "libnvinfer.so.11" else ()))
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        import tensorrt_bindings
    return tensorrt_bindings


def require_bindings() -> None:
    """Skip without the package; in CI fail."""
    import importlib.util

    if importlib.util.find_spec("tensorrt_bindings") is None:
        require("tensorrt_bindings")


def _library(soname: str, functions: tuple[str, ...]) -> bytes:
    """A shared library (ELF, x86-64) whose functions all return 0."""
    strings, names = b"\0" + soname.encode() + b"\0", []
    for function in functions:
        names.append(len(strings))
        strings += function.encode() + b"\0"
    code = b"\x31\xc0\xc3"  # xor eax, eax; ret
    count = len(functions) + 1
    symbols_at = 64 + 2 * 56
    hash_at = symbols_at + 24 * count
    strings_at = hash_at + 4 * (3 + count)
    code_at = strings_at + len(strings)
    dynamic_at = -(-(code_at + len(code)) // 8) * 8
    # SONAME, HASH, STRTAB, SYMTAB, STRSZ, SYMENT, NULL
    tags = [(14, 1), (4, hash_at), (5, strings_at), (6, symbols_at), (10, len(strings)), (11, 24), (0, 0)]
    size = dynamic_at + 16 * len(tags)
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 7, 0, 0, 0, size, size, 4096)
    head += struct.pack("<IIQQQQQQ", 2, 6, dynamic_at, dynamic_at, dynamic_at, 16 * len(tags), 16 * len(tags), 8)
    symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", name, 0x12, 0, 1, code_at, 3) for name in names)
    chain = [0, *((index + 1) % count for index in range(1, count))]
    table = struct.pack(f"<III{count}I", 1, count, min(1, count - 1), *chain)
    body = head + symbols + table + strings + code
    return body + bytes(dynamic_at - len(body)) + b"".join(struct.pack("<QQ", *tag) for tag in tags)


@dataclass(frozen=True)
class Signature:
    """One overload: (name, type, whether it may be left out) of each argument after self."""

    arguments: tuple[tuple[str, str, bool], ...]

    def binds(self, given: tuple[Any, ...], named: dict[str, Any]) -> bool:
        """Whether a call with these arguments would be accepted."""
        if len(given) > len(self.arguments) or set(named) - {name for name, _, _ in self.arguments}:
            return False
        values = dict(zip((name for name, _, _ in self.arguments), given, strict=False))
        if set(values) & set(named):
            return False
        values |= named
        return all(_fits(values[name], kind) if name in values else optional for name, kind, optional in self.arguments)


def signatures(function: Any) -> list[Signature]:
    """What the docstring of a function of the bindings says it takes."""
    found = []
    for line in (function.__doc__ or "").splitlines():
        match = re.match(r"(?:\d+\. )?\w+\((.*)\) -> ", line.strip())
        if match and "*args" not in line:
            parts = [part for part in re.split(r", (?=\w+: )", match.group(1)) if not part.startswith("self")]
            arguments = []
            for part in parts:
                name, _, kind = part.partition(": ")
                kind, has_default, _ = kind.partition(" = ")
                arguments.append((name, kind, bool(has_default)))
            found.append(Signature(tuple(arguments)))
    return found


def _fits(value: Any, kind: str) -> bool:
    short = kind.rsplit(".", 1)[-1]
    if short == "SupportsInt":
        return isinstance(value, int) and not isinstance(value, bool)
    if short == "Buffer":
        return isinstance(value, bytes)
    if short == "Dims":
        return isinstance(value, tuple) and all(isinstance(side, int) for side in value)
    if short in ("str", "bool", "tuple"):
        return type(value).__name__ == short
    of_double = getattr(value, "double_of", None)
    names = [cls.__name__ for cls in (of_double or type(value)).__mro__]
    return short in names


class Double:
    """Stands for an object of one class of the bindings.

    Every attribute that is read, written or called must exist in that class, and every call must fit a signature.
    answers: by attribute name, what a call returns (if callable, called with the arguments) or what is read.
    """

    def __init__(self, cls: type, answers: dict[str, Any], calls: list[tuple[Any, ...]]) -> None:
        object.__setattr__(self, "double_of", cls)
        object.__setattr__(self, "_answers", answers)
        object.__setattr__(self, "_calls", calls)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.double_of, name)  # AttributeError: the bindings have no such thing
        if isinstance(real, property):
            return self._answers[name]
        return checked(f"{self.double_of.__name__}.{name}", real, self._answers.get(name), self._calls)

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(getattr(self.double_of, name), property):
            raise AttributeError(f"{self.double_of.__name__}.{name} is no property")
        self._calls.append((f"{self.double_of.__name__}.{name} =", value))


def checked(name: str, real: Any, answer: Any, calls: list[tuple[Any, ...]]) -> Callable[..., Any]:
    """A function that takes what `real` takes, and returns `answer`."""
    known = signatures(real)
    assert known, f"{name} states no signature"

    def call(*given: Any, **named: Any) -> Any:
        assert any(s.binds(given, named) for s in known), f"{name} does not take {given} {named}: {real.__doc__[:300]}"
        calls.append((name, *given, *named.values()))
        return answer(*given, **named) if callable(answer) else answer

    return call
