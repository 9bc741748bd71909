"""Half-precision graphs for this machine, exported from the zoo's weights once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engines.cache import BlobCache
from engines.errors import EngineError


def halved(
    name: str, digests: Mapping[str, str], precision: str, load: Callable[[], Any], cache: Path | None = None
) -> Path:
    """The graph of `precision`, from the cache if it is whole.

    digests: SHA-256 of the weights' files by part. load: makes the network in PyTorch; called only if there is no
    graph yet. Raises EngineError if torch is needed and missing.
    """
    kept = BlobCache("graphs", ".onnx", cache)
    key = {"weights": dict(digests), "precision": precision}
    if kept.load(key) is None:
        try:
            from engines.export import export

            network = load()
        except ImportError as error:
            raise EngineError(
                f"{name} has no {precision} graph, and exporting it needs torch: pip install 'concealer[train]'"
            ) from error
        path = kept.path(key).with_suffix(".new")
        try:
            data = export(network, path, precision).path.read_bytes()
        except OSError as error:
            raise EngineError(f"cannot keep the {precision} graph: {error.strerror}") from error
        finally:
            path.unlink(missing_ok=True)
        kept.store(key, data)
        if kept.load(key) is None:
            raise EngineError(f"cannot keep the {precision} graph of {name} in {path.parent}")
    return kept.path(key)
