"""The part of docs/papers.md about SGIN. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from train.evaluation.catalogue import SEMANTIC_MASKS, SEMANTICS, slug

_MEASURES = {"PSNR": 2, "SSIM": 3, "MS-SSIM": 3, "RMSE": 2, "perceptual": 3, "Frechet": 3}
"""Decimals of each."""
_HIGHER = ("PSNR", "SSIM", "MS-SSIM")
_PAPER = {
    "no feedback": (19.181, 0.546, 0.762, 29.379, 0.153, 32.093),
    "no attention": (21.844, 0.767, 0.897, 21.285, 0.086, 19.780),
    "no distillation": (22.395, 0.712, 0.884, 19.834, 0.099, 16.971),
    "full": (23.725, 0.758, 0.911, 17.148, 0.083, 14.102),
    "true semantics": (24.051, 0.774, 0.918, 16.592, 0.078, 18.511),
}
"""Table 2: PSNR, SSIM, MS-SSIM, RMSE, LPIPS, FID at 128 px."""
_OCCLUDED = SEMANTIC_MASKS[:2]
"""The masks that the paper's tables are measured with."""
_INTRO = """\
Semantics-guided inpainting (2022): occlusion detector, map predictor of eleven regions, generator with one style a
region. The whole picture is generated and measured as generated, received pixels too, as the paper does; "in the
hole" both pictures are black elsewhere. Objects and hands are drawn from nothing (`train/data/occluders.py`), the
paper's are cut from COCO and EgoHands. MS-SSIM has as many scales as fit. *Perceptual* stands where the paper has
LPIPS and *Frechet* where it has FID: both on features of the landmark detector trained here, so that they rank
columns and mean nothing beside the paper's. All columns had the same number of steps."""


def semantics(cells: dict[str, dict[str, Any]]) -> str:
    """Markdown of one resolution, empty if nothing of SGIN was measured."""
    keys = _measured(cells)
    if not keys:
        return ""
    parts = ["### SGIN", _INTRO, _ablation(cells, keys), _by_mask(cells, keys)]
    return "\n\n".join([*parts, *_found(cells)]) + "\n"


def semantic_sheets(cells: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Contact sheets by file name, and their rows."""
    return {
        "semantics": ", ".join(["original, damaged, predicted map", *(SEMANTICS[k].title for k in _measured(cells))]),
        "occlusion": "occluded or damaged, what hides the face, what the detector finds, repaired blindly",
    }


def _measured(cells: dict[str, dict[str, Any]]) -> list[str]:
    """Columns of the ablation that have weights at this resolution."""
    return [key for key in SEMANTICS if _cell(cells, key, SEMANTIC_MASKS[0])]


def _cell(cells: dict[str, dict[str, Any]], key: str, mask: str) -> dict[str, Any]:
    return cells.get(slug(f"semantics-{key}-{mask}"), {})


def _mean(cells: dict[str, dict[str, Any]], key: str, measure: str) -> float:
    """Over the masks of the paper's tables."""
    values = [float(_cell(cells, key, mask)[measure]) for mask in _OCCLUDED]
    return sum(values) / len(values)


def _ablation(cells: dict[str, dict[str, Any]], keys: list[str]) -> str:
    """Our table 2 beside theirs, and how many of the six measures each column loses to the whole one."""
    rows = []
    for number, (name, places) in enumerate(_MEASURES.items()):
        arrow = "higher is better" if name in _HIGHER else "lower is better"
        ours = [f"{_mean(cells, key, name):.{places}f}" for key in keys]
        theirs = [f"{_PAPER[key][number]:.{places}f}" for key in keys]
        paper = {"perceptual": " (LPIPS)", "Frechet": " (FID)"}.get(name, "")
        rows.append([f"{name}, {arrow}", *ours, *(f"{value}{paper}" for value in theirs)])
    if "full" in keys and not set(keys) <= {"full", "true semantics"}:
        worse = [str(_worse(cells, key)) if key not in ("full", "true semantics") else "" for key in keys]
        rows.append(["worse than full in, of six", *worse, *("" for _ in keys)])
    head = [
        "objects and hands",
        *(SEMANTICS[key].title for key in keys),
        *(f"paper: {SEMANTICS[key].title}" for key in keys),
    ]
    return "Ablation, mean of both masks, beside the paper's table 2:\n\n" + _table(head, rows)


def _worse(cells: dict[str, dict[str, Any]], key: str) -> int:
    """In how many measures a column falls short of the whole network."""
    count = 0
    for name in _MEASURES:
        ours, full = _mean(cells, key, name), _mean(cells, "full", name)
        count += ours < full if name in _HIGHER else ours > full
    return count


def _by_mask(cells: dict[str, dict[str, Any]], keys: list[str]) -> str:
    rows = []
    for mask in SEMANTIC_MASKS:
        for key in keys:
            cell = _cell(cells, key, mask)
            values = [
                f"{cell[name]:.{places}f} / {cell[f'hole {name}']:.{places}f}" for name, places in _MEASURES.items()
            ]
            rows.append([mask, SEMANTICS[key].title, *values])
    text = "Every mask, whole picture / in the hole (the paper's table 1 has SGIN at 23.76 / 26.62 dB, 256 px):"
    return text + "\n\n" + _table(["mask", "generator", *_MEASURES], rows)


def _found(cells: dict[str, dict[str, Any]]) -> list[str]:
    """Maps, occlusion and the whole chain, where they were measured."""
    parts = []
    maps = _rows(cells, "semantics-maps")
    if maps:
        text = "Maps: mean overlap (IoU) of the eleven regions with those of the clean picture's landmarks."
        parts.append(text + "\n\n" + _table(["missing", *maps[0][1]], ([n, *_shown(v, 3)] for n, v in maps)))
    found = _rows(cells, "semantics-occlusion")
    if found:
        text = (
            "Occlusion found blindly, over all pixels: overlap, share of what hides the face that is found, share of "
            "everything else that is named wrongly. *damage*: slices and CTBs filled as decoders fill them."
        )
        parts.append(text + "\n\n" + _table(["trouble", *found[0][1]], ([n, *_shown(v, 3)] for n, v in found)))
    blind = _rows(cells, "semantics-blind")
    if blind:
        text = (
            "The whole chain, PSNR where the picture was really hidden, dB: received pixels laid over the generated "
            "ones."
        )
        parts.append(text + "\n\n" + _table(["trouble", *blind[0][1]], ([n, *_shown(v, 2)] for n, v in blind)))
    return parts


def _rows(cells: dict[str, dict[str, Any]], name: str) -> list[tuple[str, dict[str, float]]]:
    return [(key, value) for key, value in cells.get(slug(name), {}).items() if isinstance(value, dict)]


def _shown(values: dict[str, float], places: int) -> list[str]:
    return [f"{value:.{places}f}" for value in values.values()]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
