"""Two things at once. OpenCV and NumPy leave the interpreter lock during their work, so a second thread helps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="repair")


def both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Results of both calls, which run at the same time. Do not nest it: there is one second thread."""
    other = _pool().submit(second)
    try:
        here = first()
    finally:
        # Also after an error nothing may go on working on the caller's arrays.
        there = other.result()
    return here, there


def each(work: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """`work` of every item, in order, every second one in the second thread."""
    todo = list(items)
    out: list[B] = [None] * len(todo)  # type: ignore[list-item]
    out[::2], out[1::2] = both(lambda: [work(item) for item in todo[::2]], lambda: [work(item) for item in todo[1::2]])
    return out
