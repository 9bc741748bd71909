"""What an encoder makes of the same pictures does not hang on what memory held before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media import clip, encode_file
from tests.pipelines.files import rewrite_video


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_memory_that_nobody_wrote_leaves_no_trace(tmp_path: Path, codec: str) -> None:
    """At eleven macroblocks in a row x264's AVX-512 did read it."""
    whole = encode_file(tmp_path / "whole.mp4", clip(60, 176, 144), codec, gop=30)  # type: ignore[arg-type]
    source = rewrite_video(whole, tmp_path / "in.mp4", lambda packets: [p for n, p in enumerate(packets) if n != 40])
    made = set()
    for fill in (1, 90, 200):
        out = tmp_path / f"out{fill}.mp4"
        command = [sys.executable, "-m", "pipelines.cli", "-q", "--jobs", "1", "--output", "gop", str(source), str(out)]
        subprocess.run(command, check=True, env=os.environ | {"MALLOC_PERTURB_": str(fill)})
        made.add(out.read_bytes())
    assert len(made) == 1
