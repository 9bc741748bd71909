"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Threads of PyTorch that spin while they wait slow a shared machine down many times; it reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_REPOSITORY = Path(__file__).resolve().parent.parent


def _find_shared_data() -> Path | None:
    """Real streams beside the checkout: `$CONCEALER_SHARED/data`, else `../shared/data`."""
    named = os.environ.get("CONCEALER_SHARED")
    places = [Path(named)] if named else []
    for place in (*places, _REPOSITORY.parent / "shared"):
        if (place / "data").is_dir():
            return place / "data"
    return None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with `damaged_streams/` and `eval_video/`; the test is skipped where it is not there."""
    found = _find_shared_data()
    if found is None:
        pytest.skip("no real streams here: set CONCEALER_SHARED to a folder that has data/damaged_streams")
    return found


def require(module: str) -> None:
    """Skip the calling test if an optional package is missing; in CI (CI=true) fail it instead."""
    try:
        __import__(module)
    except ImportError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have every optional part, but {module} is missing: {error}")
        pytest.skip(f"{module} is not installed", allow_module_level=True)
