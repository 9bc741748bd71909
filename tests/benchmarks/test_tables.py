"""Tables, targets and the page, from made-up rows."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import plots
from benchmarks.report import page
from benchmarks.tables import detection_table, markdown, model_table, over_clips, psnr_table, quality_tables
from benchmarks.targets import gain, verdicts


def row(clip: str, method: str, psnr: float | None, seed: int = 1, **more: Any) -> dict[str, Any]:
    base = {
        "clip": clip, "codec": "h264", "structure": "P", "settings": "x264", "pictures": 60, "model": "slice",
        "rate": 0.03, "detail": "", "seed": seed, "method": method, "psnr": psnr, "hole_psnr": 20.0, "later_psnr": None,
        "ssim": 0.9, "pictures_in": 60, "pictures_arrived": 60, "pictures_out": 60, "frozen": 0,
        "width": 352, "height": 288, "encoder": "x264 - core 1", "run": 0,
    }  # fmt: skip
    return base | more


ROWS = [
    row("a", "ffmpeg", 30.0),
    row("a", "ffmpeg", 32.0, seed=2),
    row("a", "concealer", 34.0),
    row("a", "concealer", 36.0, seed=2),
    row("b", "ffmpeg", 40.0),
    row("b", "concealer", 39.0),
]


def test_markdown_has_one_cell_per_column() -> None:
    assert markdown(["x", "y"], [["a", "1"]]) == "| x | y |\n|---|---:|\n| a | 1 |"


def test_clips_count_alike_whatever_their_number_of_seeds() -> None:
    ours = [r for r in ROWS if r["method"] == "concealer"]
    assert over_clips(ours, "psnr") == pytest.approx((35.0 + 39.0) / 2)
    assert over_clips(ours, "later_psnr") is None


def test_psnr_table_holds_means() -> None:
    lines = psnr_table(ROWS).splitlines()
    assert lines[0] == "| clip | FFmpeg as shipped | concealer |"
    assert lines[2] == "| a | 31.00 / 20.00 | 35.00 / 20.00 |"
    assert lines[-1] == "| **mean** | **35.50 / 20.00** | **37.00 / 20.00** |"


def test_other_models_and_rates_stay_out_of_the_main_table() -> None:
    tables = quality_tables([*ROWS, row("a", "concealer", 1.0, rate=0.2), row("a", "concealer", 2.0, model="rtp")])
    assert "35.00 / 20.00" in tables[1] and "seeds 1, 2" in tables[0]
    assert "| rtp 3 % | 60 / 60 | 60 |" in tables[-1]
    assert "| rtp 3 % | 60 / 60 | 60 | 0 | 2.0 / - |" in model_table([row("a", "concealer", 2.0, model="rtp")])


def test_detection_counts_blocks_not_rows() -> None:
    rows = [
        row("a", "", None, **{"class": "lost", "hit": 90, "false": 0, "missed": 10}),
        row("b", "", None, **{"class": "lost", "hit": 10, "false": 100, "missed": 0}),
    ]
    assert detection_table(rows).splitlines()[-1] == "| lost | 0.500 / 0.909 |"


def test_targets_are_judged_by_the_rows() -> None:
    assert gain(ROWS, "ffmpeg") == {"a": pytest.approx(4.0), "b": pytest.approx(-1.0)}
    found = {v.target: v for v in verdicts({"quality": ROWS})}
    assert found["H.264 IPPP: sequence PSNR at least ffmpeg +1.5 dB"].met
    worst = found["H.264 IPPP: on no clip more than 0.2 dB below ffmpeg"]
    assert not worst.met and worst.measured == "-1.00 dB (b)"
    short = [*ROWS, row("b", "concealer", 39.0, model="picture", pictures_out=59)]
    out = next(v for v in verdicts({"quality": short}) if v.target.startswith("a picture for every"))
    assert not out.met and "1 of 4 streams" in out.measured


def test_memory_growth_is_judged_within_a_codec() -> None:
    rows = [
        {"measure": "memory", "codec": codec, "structure": "B", "length": length, "peak_mb": peak}
        for codec, length, peak in (
            ("h264", 48, 400.0),
            ("h264", 192, 404.0),
            ("hevc", 48, 300.0),
            ("hevc", 192, 390.0),
        )
    ]
    judged = verdicts({"latency": rows})
    assert [(v.measured, v.met) for v in judged] == [
        ("404 MB", True),
        ("1.30 times at four times the length", False),
    ]


def test_page_names_command_and_settings() -> None:
    run = {
        "command": "python -m benchmarks.quality",
        "date": "2026-01-02T03:04:05",
        "machine": {"cpu": "some processor", "cores": 2},
        "versions": {"av": "18", "ffmpeg": "8", "numpy": "2", "opencv": "5"},
    }
    text = page({"quality": {"runs": [run], "rows": ROWS}}, plot=False)
    for part in ("python -m benchmarks.quality", "some processor", "| a | 352x288 | 60 | `x264` |", "| met |"):
        assert part in text
    assert ".png" not in text


def test_sweep_keeps_what_all_rates_share() -> None:
    sweep = [row(c, "concealer", 30.0, rate=r) for c in "ab" for r in (0.01, 0.03) if (c, r) != ("b", 0.01)]
    assert {r["clip"] for r in plots.sweep_rows(sweep)} == {"a"}
    assert plots.sweep_rows(ROWS) == []
