"""Fitting confidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from concealer.outcome import PROMISED, SLACK
from tests.media import clip, encode_file
from train.confidence.examples import rows_of, ways
from train.confidence.fitting import fit


def test_what_is_called_nine_in_ten_is_nine_in_ten() -> None:
    """Of figures whose spread differs from picture to picture."""
    random = np.random.default_rng(5)
    figures = np.c_[np.ones(8000), random.normal(size=(8000, 3))]
    spread = np.exp(0.5 + 0.6 * figures[:, 2])
    psnr = 31.0 + 4.0 * figures[:, 1] + spread * random.normal(size=8000)
    model = fit(figures[:4000], psnr[:4000])
    said = np.array([model.promise(one).confidence for one in figures[4000:]])
    kept = psnr[4000:] >= PROMISED - SLACK
    for low, high in ((0.0, 0.2), (0.4, 0.6), (0.85, 0.95), (0.95, 1.0)):
        inside = (said >= low) & (said < high)
        assert inside.sum() > 100
        assert abs(said[inside].mean() - kept[inside].mean()) < 0.06


def test_a_clip_gives_figures_and_what_pictures_were_worth(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    encode_file(path, clip(90), "h264")
    seen = 0
    for way in ways(path, 0):
        rows, untouched, wrong = rows_of(path, way)
        assert untouched + len(rows) > 0
        assert wrong <= untouched
        if len(rows):
            assert np.isfinite(rows).all()
            seen += len(rows)
    assert seen
