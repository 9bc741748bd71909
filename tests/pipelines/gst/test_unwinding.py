"""C++ exceptions of networks' engines in a process with GStreamer."""

from __future__ import annotations

import subprocess
import sys

import pytest

_THROW = (
    "from engines import EngineError, from_onnx, open_engine\n"
    "import tempfile, pathlib\n"
    "bad = pathlib.Path(tempfile.mkdtemp()) / 'bad.onnx'\n"
    "bad.write_bytes(b'no graph')\n"
    "try:\n    open_engine(from_onnx(bad), 'openvino', strict=True)\n"
    "except EngineError as error:\n    print('caught')\n"
)
_GST = "import gi\ngi.require_version('Gst', '1.0')\nfrom gi.repository import Gst\nGst.init(None)\n"
_OURS = "import pipelines.gst.bindings\n"
_WORKS = "from pipelines.gst.unwinding import exceptions_work\nprint(exceptions_work())\n"


def said(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.split()


@pytest.mark.parametrize("order", ["import numpy\n" + _OURS, _OURS + "import numpy\n", _GST + "import numpy\n" + _OURS])
def test_exceptions_are_caught_in_every_order_of_ours(order: str) -> None:
    assert said(order + _WORKS + _THROW) == ["True", "caught"]


def test_without_gstreamer_all_is_well() -> None:
    assert said("import numpy\n" + _WORKS + _THROW) == ["True", "caught"]


def test_the_order_that_would_end_the_process_is_known() -> None:
    answer = said("import numpy\n" + _GST + _WORKS)
    libunwind_here = "libunwind" in said("import numpy\n" + _GST + "print(open('/proc/self/maps').read())").__str__()
    assert answer == ["False" if libunwind_here else "True"]
