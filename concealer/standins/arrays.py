"""The arrays of the room: samples, levels, contexts and values; docstrings tell their shapes."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
