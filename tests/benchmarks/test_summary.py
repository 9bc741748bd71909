"""The top of the page of benchmarks: every number is that of the rows."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import page
from benchmarks.store import RESULTS, read
from benchmarks.summary import draw, summary


def test_numbers_are_those_of_the_rows() -> None:
    real = [
        {"way": "rtp", "rate": 0.03, "codec": "h264", "gain": 2.0},
        {"way": "rtp", "rate": 0.03, "codec": "h264", "gain": 3.0},
        {"way": "ts", "rate": 0.01, "codec": "hevc", "gain": -1.25},
        {"way": "rtp", "rate": 0.03, "codec": "hevc", "gain": 4.0},
    ]
    fuzz = [
        {"base": "a", "end": "repaired", "stock": 14, "pictures": 13, "changed": 0},
        {"base": "a", "end": "crashed"},
        {"base": "a", "end": "refused", "stock": 0},
    ]
    text = summary({"real": real, "fuzz": fuzz}, [("A plot", "a.png")])
    assert "H.264 +2.5 dB, HEVC +4.0 dB" in text and "25.0 %, the worst -1.2 dB" in text
    assert "| 1, 1, 0 |" in text and "![A plot](a.png)" in text
    assert summary({}, []) == ""


def test_the_page_begins_with_ten_numbers_and_five_plots(tmp_path: Path) -> None:
    results = {path.stem: read(path) for path in RESULTS.glob("*.json")}
    drawn = draw({name: content["rows"] for name, content in results.items()}, tmp_path)
    assert all((tmp_path / file).stat().st_size > 5000 for _, file in drawn)
    top = page(results, True, drawn).split("## Targets")[0]
    assert top.count("![") == 5 and top.count("\n| ") >= 9 + 1
