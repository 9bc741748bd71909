"""How much objects hold, for tests that nothing grows with the length of a stream."""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Iterable

_LEAVES = (type, types.ModuleType, types.FrameType, types.BuiltinFunctionType, str, int, float)


def held(*roots: object) -> int:
    """Members of all containers, and thousands of bytes gathered, that can be reached without going through modules."""
    seen: set[int] = set()
    waiting: list[object] = list(roots)
    total = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, _LEAVES):
            continue
        seen.add(id(one))
        if isinstance(one, bytearray):
            total += len(one) // 1000
        elif isinstance(one, list | dict | set | deque) or hasattr(one, "typecode"):
            total += len(one)  # type: ignore[arg-type]
        waiting += _below(one)
    return total


def _below(one: object) -> Iterable[object]:
    if isinstance(one, types.FunctionType):
        return (one.__closure__, one.__defaults__)
    return gc.get_referents(one)
