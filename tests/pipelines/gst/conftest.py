"""GStreamer for tests: skipped where its bindings are missing, but CI must have them."""

from __future__ import annotations

import os

import pytest


def _missing() -> str | None:
    try:
        from pipelines.gst.bindings import Gst
    except (ImportError, ValueError) as error:
        return f"GStreamer's Python bindings are missing ({error}): apt-get install python3-gst-1.0"
    Gst.init(None)
    needed = ("rtpjitterbuffer", "rtph264depay", "h264parse", "tsdemux", "qtdemux")
    absent = [name for name in needed if Gst.ElementFactory.find(name) is None]
    return f"GStreamer has no {', '.join(absent)}: apt-get install gstreamer1.0-plugins-good -bad" if absent else None


_REASON = _missing()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _REASON is None or os.environ.get("CI") == "true":
        return
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.skip(reason=_REASON))


@pytest.fixture(autouse=True)
def elements() -> None:
    """The elements, known to GStreamer in this process."""
    if _REASON is not None:
        pytest.fail(f"CI must have every optional part: {_REASON}")
    from pipelines.gst.register import register

    register()
