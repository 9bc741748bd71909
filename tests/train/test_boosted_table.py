"""The boosted GAN's part of docs/papers.md, from results made up."""

from __future__ import annotations

from typing import Any

from train.boosted.lambdas import LAMBDA, VARIANTS
from train.boosted_table import boosted
from train.evaluation.catalogue import BOOSTED, BOOSTED_MASKS, slug


def _cells() -> dict[str, dict[str, Any]]:
    cells: dict[str, dict[str, Any]] = {}
    for number, key in enumerate(BOOSTED):
        gains = [20.0 - 0.5 * number, 22.0 - 0.5 * number]
        cell = {"l1": 0.1, "l2": 0.02, "PSNR": 26.0, "SSIM": 0.9, "hole PSNR": 20.5, "hole SSIM": 0.6}
        cell |= {"first guess": 20.25, "pictures": 2, "per picture hole PSNR": gains}
        for mask in BOOSTED_MASKS:
            cells[slug(f"boosted-stills-{key}-{mask}")] = cell
        cells[f"retrieval-{key}"] = {"mAP": 0.5 - 0.1 * number, "per picture": [0.9 - 0.3 * number, 0.1 + 0.1 * number]}
        cells[f"retrieval-{key}"]["pictures"] = 2
    return cells


def test_nothing_is_said_of_nothing() -> None:
    assert boosted({}) == ""


def test_ours_stand_beside_theirs_and_gains_have_intervals() -> None:
    text = boosted(_cells())
    assert "| attributes and regions | 10.00 % | 2.00 % | 26.00 | 0.9000 | 20.50 | 0.6000 | 50.0 % |" in text
    assert "22.32, 0.846" in text and "PSNR 19.11" in text and "| 20.25 |" in text
    assert "| central | stills | PSNR in the hole, dB | +1.500 | +1.500 to +1.500 | 100 % |" in text
    # Gains of 0.9 and -0.3: mean 0.3, deviation of the mean 0.6.
    assert "| average precision | +0.3000 | -0.8760 to +1.4760 | 50 % |" in text


def test_table_2_holds_every_row_against_the_whole_systems() -> None:
    cells = _cells()
    assert "Table II" not in boosted(cells)
    for key, (of_a, of_s) in VARIANTS.items():
        whole = (of_a, of_s) == (LAMBDA, LAMBDA)
        each = {"per picture hole PSNR": [20.0, 21.0], "per picture hole SSIM": [0.5, 0.6]}
        if not whole:
            each = {"per picture hole PSNR": [20.0 - of_a, 21.0 - of_a], "per picture hole SSIM": [0.5, 0.4]}
        cell = {"PSNR": 26.0 - of_a, "SSIM": 0.9, "hole PSNR": 20.5 - of_a, "hole SSIM": 0.55, "pictures": 2}
        cells[slug(f"lambdas-{key}")] = cell | each
    text = boosted(cells).split("Table II")[1]
    row = "| lambda_s = 0.1 | 1 | 0.1 | 25.00 | 0.9000 | 19.50 | 0.5500 | -1.0000 (-1.0000 to -1.0000) | "
    # Of two pictures one keeps its SSIM and one loses 0.2: mean -0.1, deviation of the mean 0.1.
    row += "-0.1000 (-0.2960 to +0.0960) | 22.15, 0.838 | -0.17 |"
    assert row in text
    assert text.count("| 0.1 | 0.1 | 25.90 | 0.9000 | 20.40 | 0.5500 |  |  | 22.32, 0.846 | +0.00 |") == 2
    assert "| neither | 0 | 0 | 26.00 |" in text
    assert "differ by 0.9900 dB at most" in text  # between lambda_a of 0.01 and 1
