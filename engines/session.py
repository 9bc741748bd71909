"""What a backend offers: one network, compiled for a few batch sizes, with its own buffers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engines.model import PRECISIONS, Precision
from engines.tensors import Array, TensorSpec

DEVICES = ("auto", "cpu", "cuda")
MODES = ("eager", "compiled", "graph")
BUCKETS = (1, 2, 4, 8, 16)
"""Batch sizes compiled by default."""


@dataclass(frozen=True)
class Options:
    """How a network is to be compiled."""

    precision: Precision = "auto"
    """"auto": what this backend and device are fastest at within the stated differences."""
    buckets: tuple[int, ...] = BUCKETS
    threads: int = 0
    """CPU threads; 0: one per core this process may use."""
    device: str = "auto"
    """"auto", "cpu" or "cuda" (torch and onnxruntime)."""
    mode: str = "eager"
    """Of the torch backend: "eager", "compiled" or "graph" (CUDA graphs)."""
    cache: Path | None = None
    """Folder for compiled networks; None: the machine's (`engines.cache.cache_folder`)."""
    apart: bool = False
    """OpenVINO: a batch is computed row by row, the rows side by side, `threads` threads each: for networks that gain
    nothing by batches, and machines on which the threads of one inference would wait for each other."""

    def __post_init__(self) -> None:
        if not self.buckets or min(self.buckets) < 1 or list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"buckets must be positive, each once, in rising order; got {self.buckets}")
        allowed = {"precision": PRECISIONS, "device": DEVICES, "mode": MODES}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} must be {', '.join(values)}; got {getattr(self, name)!r}")


class Session(Protocol):
    """One network in one backend. Not safe for two threads at once."""

    backend: str
    device: str
    """In words, e.g. the GPU's name."""
    precision: str
    """What is computed in: "fp32", "fp16" or "bf16"."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    pads: bool
    """Whether a batch between two buckets is better padded to the greater one (GPU) or split (CPU)."""

    def prepare(self, bucket: int) -> None:
        """Compile and allocate for this batch size, if that is still to be done. Raises EngineError."""

    def feeds(self, bucket: int) -> dict[str, Array]:
        """The prepared bucket's input buffers, to be written before `run`."""

    def run(self, bucket: int) -> dict[str, Array]:
        """Run what `feeds` holds. The outputs are the session's, valid until its next run. Raises EngineError."""

    def close(self) -> None:
        """Give back memory."""
