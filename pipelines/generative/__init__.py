"""Networks in the repair: from the zoo through an engine, and where the faces are that they were trained on."""

from pipelines.generative.network import (
    ENGINES,
    NoNetworkError,
    check_engine,
    generative_or_none,
    open_generative,
    open_in_background,
    open_shared,
)

__all__ = [
    "ENGINES",
    "NoNetworkError",
    "check_engine",
    "generative_or_none",
    "open_generative",
    "open_in_background",
    "open_shared",
]
