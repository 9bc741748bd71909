"""What recipes and trainers both speak of."""

from __future__ import annotations

from typing import Any

Spec = tuple[str, dict[str, Any]]
"""Class name and arguments of a network."""
