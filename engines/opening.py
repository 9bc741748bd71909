"""Which backend runs a network here, and what happens where one is missing or broken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from engines.backends import BACKENDS, ORDER, backend
from engines.engine import Engine
from engines.errors import EngineError, ModelError, one_line
from engines.model import Model
from engines.session import Options

log = logging.getLogger(__name__)


def open_engine(
    model: Model,
    name: str = "auto",
    options: Options | None = None,
    *,
    strict: bool = False,
    warm: bool = True,
    progress: Callable[[str, float], None] | None = None,
) -> Engine:
    """Compile a network and run it once per bucket, so that it works and no later call is slow.

    name: a backend, or "auto": TensorRT where there is a GPU, else OpenVINO, else ONNX Runtime. A backend that is
    missing or fails at that is named in one line on the log (a missing one only if it was asked for) and the next in
    this order is taken; strict: none but the named one. warm: False leaves compiling to the first calls.
    progress: called with a phase and 0..1 where building takes long.

    Raises EngineError with every reason if none is left, ModelError at once if the network's files are at fault,
    ValueError for an unknown backend.
    """
    options = options or Options()
    wanted = () if name == "auto" else (name,)
    others = () if wanted and strict else tuple(other for other in ORDER if other not in wanted)
    reasons: list[str] = []
    worth_saying: list[str] = []
    for candidate in wanted + others:
        part = backend(candidate)
        reason = part.unavailable()
        missing = reason is not None
        if not missing:
            try:
                engine = _open(part, candidate, model, options, warm, progress)
            except ModelError:
                raise
            except Exception as error:  # libraries raise whatever they like
                log.debug("%s failed", candidate, exc_info=True)
                # A wheel whose libraries do not load is there and cannot be imported.
                advice = f": {part.INSTALL}" if isinstance(error, ImportError) else ""
                reason = f"{candidate}: {one_line(error)}{advice}"
            else:
                if worth_saying:
                    log.warning("%s; %s is used instead", "; ".join(worth_saying), candidate)
                return engine
        reasons.append(str(reason))
        if candidate in wanted or not missing:
            worth_saying.append(str(reason))
    raise EngineError(reasons[0] if len(reasons) == 1 else f"nothing here runs {model.name}: {'; '.join(reasons)}")


def _open(
    part: Any,
    name: str,
    model: Model,
    options: Options,
    warm: bool,
    progress: Callable[[str, float], None] | None,
) -> Engine:
    session = part.open_session(model, options, progress) if name == "tensorrt" else part.open_session(model, options)
    engine = Engine(session, options.buckets)
    if warm:
        try:
            engine.warm_up()
        except BaseException:
            engine.close()
            raise
    return engine


def available() -> dict[str, str | None]:
    """Every backend with the reason why it cannot be used here, None if it can."""
    return {name: backend(name).unavailable() for name in BACKENDS}
