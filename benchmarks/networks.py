"""The networks that are timed: those of the zoo, and beside them an untrained generator alone; where the zoo has none,
untrained ones of the same form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engines import EngineError, Model
from engines.zoo import Zoo, open_zoo

RANDOM = "random weights"
_SIZE = {"resolution": 128, "capacity": 1024, "most": 128}
_MAPS = _SIZE | {"structure_channels": 3}
_ALONE = "style-128"


@dataclass(frozen=True)
class Subject:
    """One network."""

    name: str
    weights: str
    """"trained" or `RANDOM`: time does not depend on it, what is made does."""
    model: Callable[[str], Model]
    """With the graph of a precision."""


def subjects(cache: Path, zoo: Path | None = None) -> list[Subject]:
    """Networks to time. Untrained ones are exported to `cache` once, which needs torch (EngineError without)."""
    shipped = open_zoo(zoo)
    trained = [_from_zoo(shipped, name) for name in shipped.entries]
    try:
        from engines.export import export, seeded
    except ImportError as error:
        if trained:
            return trained
        raise EngineError(
            "the zoo is empty, and untrained networks need torch: pip install 'concealer[train]'"
        ) from error
    made = list(trained)
    for name, build in _untrained().items():
        if trained and name != _ALONE:
            continue

        def model(precision: str, name: str = name, build: Callable[[], Any] = build) -> Model:
            kinds = {"fp32", precision} & {"fp32", "fp16", "bf16"}
            graphs = {kind: cache / f"{name}-{kind}.onnx" for kind in kinds}
            for kind, path in graphs.items():
                if not path.is_file():
                    export(seeded(build()), path, kind)
            return Model(name, graphs, partial(_definition, build))

        made.append(Subject(name, RANDOM, model))
    return made


def _definition(build: Callable[[], Any]) -> Any:
    from engines.definitions import define
    from engines.export import seeded

    return define(seeded(build()))


def _from_zoo(zoo: Zoo, name: str) -> Subject:
    def model(precision: str) -> Model:
        return zoo.model(name, "fp32" if precision == "auto" else precision)

    return Subject(name, "trained", model)


def _untrained() -> dict[str, Callable[[], Any]]:
    from concealer.networks.one_pass import OnePassInpainter, SequenceInpainter
    from concealer.networks.weights import build

    def whole(kind: Any, prior: str, arguments: dict[str, int]) -> Any:
        return kind(build(prior, arguments), build("StyleGenerator", arguments))

    return {
        _ALONE: lambda: build("StyleGenerator", _SIZE),
        "one-pass-128": lambda: whole(OnePassInpainter, "NoisePrior", _SIZE),
        "sequence-structure-128": lambda: whole(SequenceInpainter, "GroupedPrior", _MAPS),
    }
