"""Half-precision graphs for this machine, exported from the zoo's weights once and kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engines.cache import BlobCache
from engines.errors import EngineError

if TYPE_CHECKING:
    from engines.zoo.table import Entry, Zoo


def halved(zoo: Zoo, entry: Entry, precision: str, cache: Path | None = None) -> Path:
    """The graph of `precision`, from the cache if it is whole. Raises EngineError if torch is needed and missing."""
    kept = BlobCache("graphs", ".onnx", cache)
    key = {"weights": {part: file.sha256 for part, file in entry.weights.items()}, "precision": precision}
    if kept.load(key) is None:
        try:
            from engines.export import export
            from engines.zoo.torch_form import load
        except ImportError as error:
            raise EngineError(
                f"{entry.name} has no {precision} graph, and exporting it needs torch: pip install 'concealer[train]'"
            ) from error
        path = kept.path(key).with_suffix(".new")
        try:
            data = export(load(zoo, entry), path, precision).path.read_bytes()
        except OSError as error:
            raise EngineError(f"cannot keep the {precision} graph: {error.strerror}") from error
        finally:
            path.unlink(missing_ok=True)
        kept.store(key, data)
        if kept.load(key) is None:
            raise EngineError(f"cannot keep the {precision} graph of {entry.name} in {path.parent}")
    return kept.path(key)
