"""The part of docs/papers.md about the boosted GAN. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from train.boosted.lambdas import LAMBDA, TABLE, VARIANTS, Lambdas
from train.evaluation.catalogue import BOOSTED, BOOSTED_MASKS, SYSTEMS, slug

Cells = dict[str, dict[str, Any]]
_PAPER = {"l1": 0.0892, "l2": 0.0219, "PSNR": 19.11, "SSIM": 0.943}
"""Table I, CelebA-HQ at 256 px."""
_PAPER_LAMBDAS: dict[Lambdas, tuple[float, float]] = {
    (0.0, 0.01): (20.72, 0.831),
    (0.0, 0.1): (21.21, 0.838),
    (0.0, 1.0): (20.38, 0.832),
    (0.01, 0.0): (21.06, 0.816),
    (0.1, 0.0): (21.80, 0.828),
    (1.0, 0.0): (21.54, 0.820),
    (0.1, 0.01): (21.46, 0.835),
    (0.1, 0.1): (22.32, 0.846),
    (0.1, 1.0): (21.84, 0.840),
    (0.01, 0.1): (21.62, 0.835),
    (1.0, 0.1): (22.15, 0.838),
}
"""Table II, Places2: PSNR and SSIM by lambda_a and lambda_s; no row has both at 0."""
_PAPER_RETRIEVAL = (
    "Paris, Oxford, Caltech256: masked 76.2, 71.8, 84.3; context encoder 83.8, 80.9, 89.7; boosted GAN 96.5, 93.7, 97.4"
)
_INTRO = """\
Boosted GAN (2019): two embedding networks say of the damaged picture which attributes it has (W_a) and which region
every pixel belongs to (W_s), the generator is told, and three discriminators judge: the picture, picture and
attributes, picture and map. The variants start from one generator, trained on reconstruction with attributes and maps
each left out of half of the pictures, and go on for the same number of steps on the same batches; what is *trained on*
goes on from the first of them, with clips and moved pictures beside the portraits. Received pixels are laid over the
generated picture. *First guess* is what eigenfaces make of the hole in closed form, before any network.
*Rectangle*: anywhere, with sides of 80 to 160 of 256 pixels."""

_LAMBDAS = """\
These twelve are of a training of their own, and none of them is among those above: one start and one seed, 500 steps
each on the same batches, of which the last 150 have discriminators, the last 100 with a say. Differences are taken
picture by picture; that of the picture's PSNR is that of the hole's. They show what the generator is told, not how the
discriminators are weighed: told alike, the generators differ by {spread:.4f} dB at most, whatever lambda is. Adam
divides a discriminator's loss by its own scale, so that lambda counts in eq. 6 alone, where beta is 0.01; and when the
discriminators are first heeded, the generator's rate has fallen to a tenth. The paper's differences of up to 2 dB are
neither found nor refuted by a training as short as this."""


def boosted(cells: Cells) -> str:
    """Markdown of one resolution, empty if nothing of the boosted GAN was measured."""
    keys = [key for key in BOOSTED if _cell(cells, "stills", key, BOOSTED_MASKS[0])]
    if not keys:
        return ""
    parts = ["### Boosted GAN", _INTRO, *(_ablation(cells, keys, mask) for mask in BOOSTED_MASKS)]
    parts += [*_paired(cells, keys), *_lambdas(cells), *_retrieval(cells), *_embeddings(cells)]
    return "\n\n".join(parts) + "\n"


def _cell(cells: Cells, pictures: str, key: str, mask: str) -> dict[str, Any]:
    return cells.get(slug(f"boosted-{pictures}-{key}-{mask}"), {})


def _ablation(cells: Cells, keys: list[str], mask: str) -> str:
    """Our tables I and II beside theirs."""
    rows = []
    for key in keys:
        stills, heads = (_cell(cells, pictures, key, mask) for pictures in ("stills", "heads"))
        found = cells.get(slug(f"retrieval-{key}"), {}).get("mAP") if mask == "central" else None
        theirs = _PAPER_LAMBDAS.get(VARIANTS[key]) if key in VARIANTS else None
        rows.append(
            [
                BOOSTED[key].title,
                f"{stills['l1'] * 100:.2f} %",
                f"{stills['l2'] * 100:.2f} %",
                *(f"{stills[name]:.{places}f}" for name, places in (("PSNR", 2), ("SSIM", 4))),
                *(f"{stills[name]:.{places}f}" for name, places in (("hole PSNR", 2), ("hole SSIM", 4))),
                f"{found * 100:.1f} %" if found is not None else "",
                *(f"{heads[name]:.2f}" if heads else "" for name in ("PSNR", "hole PSNR")),
                f"{theirs[0]:.2f}, {theirs[1]:.3f}" if theirs else "",
            ]
        )
    first = _cell(cells, "stills", keys[0], mask)["first guess"]
    also = _cell(cells, "heads", keys[0], mask).get("first guess")
    rows.append(["(first guess)", *4 * [""], f"{first:.2f}", "", "", "", f"{also:.2f}" if also else "", ""])
    counts = [
        f"{cell['pictures']} {name}"
        for name, pictures in (("stills", "stills"), ("pictures of talking heads", "heads"))
        if (cell := _cell(cells, pictures, keys[0], mask))
    ]
    head = ["generator is told", "mean l1", "mean l2", "PSNR", "SSIM", "PSNR in the hole", "SSIM in the hole", "mAP"]
    head += ["heads: PSNR", "in the hole", "paper (Places2): PSNR, SSIM"]
    paper = (
        f"; the paper's whole system on CelebA-HQ: l1 {_PAPER['l1'] * 100:.2f} %, l2 {_PAPER['l2'] * 100:.2f} %, PSNR "
        f"{_PAPER['PSNR']:.2f}, SSIM {_PAPER['SSIM']:.3f}"
    )
    return f"{mask} holes, {' and '.join(counts)}{paper}:\n\n" + _table(head, rows)


def _paired(cells: Cells, keys: list[str]) -> list[str]:
    """How sure the gain over the generator that is told neither is."""
    if not {"boosted-both", "boosted-plain"} <= set(keys):
        return []
    rows = []
    for mask in BOOSTED_MASKS:
        for pictures in ("stills", "heads"):
            both = [_cell(cells, pictures, key, mask) for key in ("boosted-both", "boosted-plain")]
            if all(both):
                rows.append([mask, pictures, "PSNR in the hole, dB", *_interval(both, "per picture hole PSNR", 3)])
    both = [cells.get(slug(f"retrieval-{key}"), {}) for key in ("boosted-both", "boosted-plain")]
    if all(both):
        rows.append(["central", "stills", "average precision", *_interval(both, "per picture", 4)])
    head = ["mask", "pictures", "measure", "mean gain", "95 % interval", "pictures that gain"]
    text = "Gain of the generator that is told both over the same one told neither, picture by picture:"
    return [text + "\n\n" + _table(head, rows)]


def _interval(both: list[dict[str, Any]], name: str, places: int) -> list[str]:
    gains = [a - b for a, b in zip(both[0][name], both[1][name], strict=True)]
    mean = sum(gains) / len(gains)
    spread = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / max(1, len(gains) - 1) / len(gains))
    share = sum(gain > 0 for gain in gains) / len(gains)
    interval = f"{mean - 1.96 * spread:+.{places}f} to {mean + 1.96 * spread:+.{places}f}"
    return [f"{mean:+.{places}f}", interval, f"{share * 100:.0f} %"]


def _lambdas(cells: Cells) -> list[str]:
    """Table II, every row against that of the whole system."""
    found = {lambdas: cells.get(slug(f"lambdas-{key}"), {}) for key, lambdas in VARIANTS.items()}
    if not all(found.values()):
        return []
    rows, whole = [], (LAMBDA, LAMBDA)
    for group, of_group in {**TABLE, "neither": ((0.0, 0.0),)}.items():
        for lambdas in of_group:
            cell, theirs = found[lambdas], _PAPER_LAMBDAS.get(lambdas)
            both = [cell, found[whole]]
            gains = [_interval(both, f"per picture hole {name}", 4) for name in ("PSNR", "SSIM")]
            rows.append(
                [
                    group,
                    *(f"{value:g}" for value in lambdas),
                    *(f"{cell[name]:.{places}f}" for name, places in (("PSNR", 2), ("SSIM", 4))),
                    *(f"{cell[name]:.{places}f}" for name, places in (("hole PSNR", 2), ("hole SSIM", 4))),
                    *("" if lambdas == whole else f"{mean} ({interval})" for mean, interval, _ in gains),
                    f"{theirs[0]:.2f}, {theirs[1]:.3f}" if theirs else "",
                    f"{theirs[0] - _PAPER_LAMBDAS[whole][0]:+.2f}" if theirs else "",
                ]
            )
    head = ["group", "lambda_a", "lambda_s", "PSNR", "SSIM", "PSNR in the hole", "SSIM in the hole"]
    head += ["PSNR against 0.1, 0.1 (95 %), dB", "SSIM in the hole against it (95 %)"]
    head += ["paper (Places2): PSNR, SSIM", "PSNR against 0.1, 0.1"]
    spread = _LAMBDAS.format(spread=_spread(found))
    text = f"Table II, rectangle holes, {found[whole]['pictures']} stills. {spread}"
    return [text + "\n\n" + _table(head, rows)]


def _spread(found: dict[Lambdas, dict[str, Any]]) -> float:
    """How far apart in the hole, dB, the means of generators are that are told the same."""
    alike: dict[tuple[bool, bool], list[float]] = {}
    for (lambda_a, lambda_s), cell in found.items():
        alike.setdefault((lambda_a > 0, lambda_s > 0), []).append(cell["hole PSNR"])
    return max(max(values) - min(values) for values in alike.values())


def _retrieval(cells: Cells) -> list[str]:
    names = {"masked": "masked", "navier-stokes": "Navier-Stokes (OpenCV)"}
    names |= {key: listed.title for key, listed in SYSTEMS.items()}
    found = {title: cell for key, title in names.items() if (cell := cells.get(slug(f"retrieval-{key}")))}
    if not found:
        return []
    count = next(iter(found.values()))["pictures"]
    text = (
        f"Retrieval with central holes (table III): each of {count} stills looks for others among them by features of "
        "the landmark detector trained here; the ten that the original returns are true for it. Papers' figures, other "
        f"sets and features: {_PAPER_RETRIEVAL}."
    )
    return [
        text + "\n\n" + _table(["system", "mAP"], [[title, f"{c['mAP'] * 100:.1f} %"] for title, c in found.items()])
    ]


def _embeddings(cells: Cells) -> list[str]:
    cell = cells.get("boosted-embeddings")
    if not cell:
        return []
    kinds = ["whole", *BOOSTED_MASKS]
    rows = [
        [name, f"{cell['yes'][n] * 100:.0f} %", *(f"{cell[kind]['accuracy'][n] * 100:.0f} %" for kind in kinds)]
        for n, name in enumerate(cell["names"])
    ]
    rows.append(["mean", "", *(f"{cell[kind]['mean accuracy'] * 100:.0f} %" for kind in kinds)])
    attributes = "What W_a says, balanced accuracy (chance: 50 %), by what is missing:\n\n" + _table(
        ["attribute", "share of faces", "nothing", *BOOSTED_MASKS], rows
    )
    overlap = [
        [title, *(f"{cell[kind][name] * 100:.1f} %" for kind in kinds)]
        for title, name in (("W_s", "mean IoU"), ("landmark networks, drawn", "mean IoU of drawn landmarks"))
    ]
    regions = "Mean overlap of the eleven regions with those drawn from the clean picture's landmarks:\n\n" + _table(
        ["map by", "nothing missing", *BOOSTED_MASKS], overlap
    )
    return [attributes, regions]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
