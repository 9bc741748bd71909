"""A network as files: what every backend can open, and PyTorch's own form for the torch backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from engines.cache import file_sha256
from engines.errors import ModelError

Precision = Literal["auto", "fp32", "fp16", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Model:
    """One network. Inputs and outputs are float32 in all of its graphs; half precision is inside."""

    name: str
    graphs: Mapping[str, Path]
    """ONNX files, weights inside, by the precision they compute in; "fp32" unless there is only a `definition`."""
    definition: Callable[[], Any] | None = None
    """Makes PyTorch's form of it, an `engines.definitions.Definition`; None where there are only graphs."""
    _digests: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def graph(self, precision: str) -> Path:
        """The ONNX file that computes in `precision`. Raises ModelError if there is none."""
        path = self.graphs.get(precision)
        if path is None:
            have = ", ".join(sorted(self.graphs)) or "none"
            raise ModelError(f"{self.name} has no {precision} graph (it has {have}): run conceal-engines build")
        if not path.is_file():
            raise ModelError(f"{path} is not a file")
        return path

    def digest(self, precision: str) -> str:
        """SHA-256 of that graph. Raises ModelError."""
        if precision not in self._digests:
            path = self.graph(precision)
            try:
                self._digests[precision] = file_sha256(path)
            except OSError as error:
                raise ModelError(f"cannot read {path}: {error.strerror}") from error
        return self._digests[precision]


def from_onnx(path: Path | str, **others: Path | str) -> Model:
    """A model of one ONNX file; others: further precisions by name. Raises ModelError."""
    graphs = {"fp32": Path(path)} | {name: Path(other) for name, other in others.items()}
    for graph in graphs.values():
        if not graph.is_file():
            raise ModelError(f"{graph} is not a file")
    return Model(Path(path).stem, graphs)
