"""The repairer as the commands and elements make it."""

from __future__ import annotations

from concealer.repair import Repairer
from pipelines.generative import choice_or_none

NETWORKS = "engines/zoo/zoo.json"
"""What its figures hang on beside the code."""


def product_repairer() -> Repairer:
    """Method "auto" with the network that chooses; faces have a benchmark of their own."""
    return Repairer(choice=choice_or_none("auto", "auto"))
