"""Networks in the repair, from the zoo through an engine: what chooses between candidates of motion; what makes faces,
and where the faces are."""

from pipelines.generative.choosing import AwaitedChoice, choice_in_background, choice_or_none
from pipelines.generative.faces import FaceLocator
from pipelines.generative.network import (
    ENGINES,
    NoNetworkError,
    check_engine,
    check_network,
    generative_or_none,
    open_generative,
    open_in_background,
    open_shared,
)

__all__ = [
    "AwaitedChoice",
    "ENGINES",
    "FaceLocator",
    "NoNetworkError",
    "check_engine",
    "check_network",
    "choice_in_background",
    "choice_or_none",
    "generative_or_none",
    "open_generative",
    "open_in_background",
    "open_shared",
]
