"""TensorRT's Python bindings, versions 8.6 to 11."""

from __future__ import annotations

import logging
from typing import Any

from engines.errors import BackendError, one_line

log = logging.getLogger(__name__)

INSTALL = "pip install tensorrt-cu13 cuda-python"
OLDEST = (8, 6)


def load() -> Any:
    """The module `tensorrt`. Raises BackendError with what to install."""
    try:
        import tensorrt
    except ModuleNotFoundError as error:
        raise BackendError(f"TensorRT is not installed: {INSTALL}") from error
    except Exception as error:  # bindings without their libraries, or without a driver
        raise BackendError(f"TensorRT does not load ({one_line(error)}): {INSTALL}") from error
    if not hasattr(tensorrt, "__version__") or version(tensorrt) < OLDEST:
        have = getattr(tensorrt, "__version__", "an empty package")
        raise BackendError(f"TensorRT {have} is too old, 8.6 or newer is needed: {INSTALL}")
    return tensorrt


def version(trt: Any) -> tuple[int, int]:
    """(major, minor)."""
    major, minor = trt.__version__.split(".")[:2]
    return int(major), int(minor)


def typed_strongly(trt: Any) -> bool:
    """Whether precision comes from the graph (10 and later) and not from builder flags (8.6)."""
    return version(trt)[0] >= 10


def make_logger(trt: Any) -> Any:
    """TensorRT's messages, through `logging`."""
    levels = {
        trt.ILogger.Severity.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.Severity.ERROR: logging.ERROR,
        trt.ILogger.Severity.WARNING: logging.INFO,  # mostly advice to developers
        trt.ILogger.Severity.INFO: logging.DEBUG,
        trt.ILogger.Severity.VERBOSE: logging.NOTSET,
    }

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last_error = ""

        def log(self, severity: Any, msg: str) -> None:
            level = levels.get(severity, logging.DEBUG)
            if level >= logging.ERROR:
                self.last_error = " ".join(msg.split())
            if level > logging.NOTSET:
                log.log(min(level, logging.INFO), "TensorRT: %s", msg)

    return Logger()
