"""Running a network behind one small interface, whatever compiled it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from engines.errors import BackendError, EngineError
from engines.session import Session
from engines.statistics import BucketStatistics
from engines.tensors import Array, Batch, TensorSpec, batch_length, state_pairs


class Engine:
    """A compiled network: `run(batch) -> batch` for any batch length.

    Batches are cut or padded to the buckets it was compiled for. Where it has a recurrent state (`states`), one call
    is one step: hand `next_state_x` of a call to the next one as `state_x`, row by row as you like; a state that is
    left out is zero. May be called from several threads; calls then wait for each other.
    """

    def __init__(self, session: Session, buckets: Sequence[int]) -> None:
        """buckets: batch sizes in rising order."""
        self._session = session
        self._lock = threading.Lock()
        self.buckets = tuple(buckets)
        self.inputs: tuple[TensorSpec, ...] = session.inputs
        self.outputs: tuple[TensorSpec, ...] = session.outputs
        self.states = state_pairs(session.inputs, session.outputs)
        """Name of the output that is the next step's input, by the input's name."""
        self._statistics = {bucket: BucketStatistics(bucket) for bucket in self.buckets}

    @property
    def backend(self) -> str:
        return self._session.backend

    @property
    def device(self) -> str:
        return self._session.device

    @property
    def precision(self) -> str:
        """What is computed in: "fp32", "fp16" or "bf16"."""
        return self._session.precision

    @property
    def session(self) -> Session:
        """The backend's own, e.g. for buffers that stay on the device."""
        return self._session

    def warm_up(self, buckets: Sequence[int] | None = None, rounds: int = 2) -> None:
        """Compile these buckets (default all) and run each a few times on zeros, so that no later call is slow.

        Raises EngineError if one cannot be compiled, does not run, or makes infinite values of zeros.
        """
        for bucket in buckets or self.buckets:
            with self._lock:
                self._session.prepare(bucket)
                for buffer in self._session.feeds(bucket).values():
                    buffer[...] = 0
                for _ in range(rounds):
                    made = self._session.run(bucket)
                if not all(np.isfinite(array).all() for array in made.values()):
                    raise BackendError(f"{self.backend} makes infinite values of zeros in {self.precision}")

    def run(self, batch: Batch) -> dict[str, Array]:
        """Outputs by name, (n, ...) float32 arrays of the caller's own.

        batch: inputs by name, (n, ...) of any real type. Raises ValueError for wrong names or shapes, EngineError if
        the backend fails.
        """
        count = batch_length(batch, self.inputs, self.states)
        out = {spec.name: np.empty((count, *spec.shape), np.float32) for spec in self.outputs}
        start = 0
        with self._lock:
            for bucket, rows in split(count, self.buckets, self._session.pads):
                began = time.perf_counter()
                self._session.prepare(bucket)
                for name, buffer in self._session.feeds(bucket).items():
                    if name in batch:
                        buffer[:rows] = batch[name][start : start + rows]
                        buffer[rows:] = 0
                    else:
                        buffer[...] = 0
                made = self._session.run(bucket)
                for name, array in out.items():
                    array[start : start + rows] = made[name][:rows]
                start += rows
                self._statistics[bucket].add(rows, time.perf_counter() - began)
        return out

    def statistics(self) -> list[dict[str, Any]]:
        """One entry per bucket; times include copying in and out of the session's buffers."""
        return [self._statistics[bucket].as_dict() for bucket in self.buckets]

    def close(self) -> None:
        """Give back the backend's memory; the engine cannot be used afterwards."""
        with self._lock:
            self._session.close()
            self._session = _Closed()  # type: ignore[assignment]

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Engine({self.backend} {self.precision} on {self.device}, buckets {self.buckets})"


class _Closed:
    backend = device = precision = "closed"
    pads = False

    def prepare(self, bucket: int) -> None:
        raise EngineError("the engine is closed")

    def close(self) -> None:
        pass


def split(count: int, buckets: Sequence[int], pads: bool) -> list[tuple[int, int]]:
    """(bucket, rows) of the calls that a batch of `count` takes.

    pads: the rest goes into the smallest bucket that holds it; otherwise into the largest ones it fills, and only
    what is smaller than the smallest bucket is padded.
    """
    calls = []
    while count:
        fitting = [bucket for bucket in buckets if bucket >= count]
        if fitting and (pads or len(fitting) == len(buckets) or fitting[0] == count):
            calls.append((fitting[0], count))
            break
        full = max(bucket for bucket in buckets if bucket <= count)
        calls.append((full, full))
        count -= full
    return calls
