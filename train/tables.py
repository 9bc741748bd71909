"""docs/papers.md from the results: nothing in it is written by hand but the words around the tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from train.boosted_table import boosted
from train.evaluation.catalogue import (
    BOOSTED,
    COMPARED,
    CONSISTENCY_MASKS,
    DETAILED,
    KINDS_OF_HOLES,
    ONE_PASS,
    SEARCHING,
    SHEETS,
    STILL_MASKS,
    SYSTEMS,
    slug,
)
from train.semantics_table import semantic_sheets, semantics

Results = dict[str, dict[str, Any]]
_INTRO = """# The papers' systems, measured

Made by `python -m train.evaluate --all`; do not edit. Three of the five papers form one line: *iterative inference*
(Yeh et al. 2017) searches the latent of a GAN that fits a damaged picture, 1,500 steps a picture; *SG-GAN* (Lahiri et
al. 2017) conditions the GAN on a semantic map of the face; *prior-guided* inpainting (Lahiri et al. 2020) predicts the
latent in one pass (M_z), with structure (+S) and over a group of pictures (+L). Two stand beside it: the *boosted GAN*
(2019), told attributes and regions, and *SGIN* (2022), which predicts a label map and draws the picture from it.

The systems of the line share their generators. All are trained here on a few thousand freely licensed portraits, and
measured on other people: `faces_eval` and the talking heads of `eval_video`. "Map" says where the structure map comes
from: landmarks found on the *damaged* picture, or on the *clean* one as in SG-GAN. Unless said, no Poisson blending.
The Frechet distance is taken on features of the landmark detector trained here (`LandmarkDetector.features`): it is
**not** FID, and means nothing beside figures from elsewhere; FID is measured where Inception weights are at hand
(`--inception FILE`). The papers' figures stand beside ours for orientation: other faces, other networks, other
machines.
"""
_PAPERS_STILLS = {
    "central": "19.4 (Yeh, hole) / 24.96, SG-GAN 26.32 (Lahiri 2017, picture)",
    "checkerboard": "18.51, SG-GAN 19.97 (picture)",
    "left": "17.13, SG-GAN 18.42 (picture)",
    "freehand": "24.53, SG-GAN 25.86 (picture)",
    "pattern": "17.4 (Yeh)",
    "random pixels": "22.8 (Yeh)",
    "half": "13.7 (Yeh)",
    "10 %": "23.8, M_z 23.4, M_z+S 24.1 (Lahiri 2020)",
    "40 %": "20.1, M_z 20.3, M_z+S 21.7 (Lahiri 2020)",
}
_PAPERS_CONSISTENCY = {
    "random central": "21.42, SG-GAN 26.14",
    "freehand": "22.21, SG-GAN 26.15",
    "left": "16.08, SG-GAN 16.72",
}


def write_papers(results: Path, docs: Path) -> Path:
    """Write docs/papers.md from the folders of results, one per resolution. Raises ValueError if there are none."""
    sizes = sorted((int(p.name) for p in results.iterdir() if p.name.isdigit()), key=int) if results.is_dir() else []
    if not sizes:
        raise ValueError(f"no results in {results}: measure first")
    parts = [_INTRO]
    for size in sizes:
        cells = {
            path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (results / str(size)).glob("*.json")
        }
        parts.append(_resolution(size, cells, results, docs))
    path = docs / "papers.md"
    path.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    return path


def _resolution(size: int, cells: Results, results: Path, docs: Path) -> str:
    about = cells.get("about", {})
    lines = [f"## {size}x{size}", ""]
    lines += [
        f"{about.get('stills')} stills, {about.get('clips')} clips; {about.get('search steps')} steps of search. "
        f"Hardware: {about.get('hardware')}.",
        "",
    ]
    lines += [_training(about), _stills(cells), _paired(cells), _one_measure(cells), _consistency(cells), _video(cells)]
    lines += [_intervals(cells), _ranking(cells), _speed(cells), _landmarks(cells), boosted(cells), semantics(cells)]
    keys = list(about.get("training", {}))
    searching = [key for key in keys if key.startswith(SEARCHING)]
    one_pass = [key for key in keys if key not in searching]
    for name, shown in (*((name, one_pass) for name in SHEETS), ("search", searching)):
        sheet = results / str(size) / f"{name}.png"
        if sheet.exists():
            title = "central holes, systems that search" if name == "search" else f"{name} holes"
            rows = "; ".join(["original", "damaged", *(SYSTEMS[key].title for key in shown)])  # titles have commas
            lines += _picture(sheet, docs, f"{title} at {size} px", f"{title}; rows: {rows}")
    sheet = results / str(size) / "boosted.png"
    if sheet.exists():
        told = ", ".join(f"told {listed.title}" for listed in BOOSTED.values())
        rows = f"original, damaged, first guess, {told}"
        lines += _picture(sheet, docs, f"boosted GAN at {size} px", f"Boosted GAN; rows: {rows}")
    for name, rows in semantic_sheets(cells).items():
        sheet = results / str(size) / f"{name}.png"
        if sheet.exists():
            lines += _picture(sheet, docs, f"SGIN, {name}, at {size} px", f"SGIN; rows: {rows}")
    return "\n".join(lines)


def _picture(sheet: Path, docs: Path, title: str, below: str) -> list[str]:
    place = sheet.relative_to(docs.parent) if sheet.is_relative_to(docs.parent) else sheet
    return [f"![{title}](../{place.as_posix()})", "", f"*{below}*", ""]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _training(about: dict[str, Any]) -> str:
    notes: list[str] = []
    for key, parts in about.get("training", {}).items():
        notes.append(f"- {SYSTEMS[key].title}: " + " + ".join(f"`{part}`" for part in parts))
    return "Weights:\n\n" + "\n".join(notes) + "\n"


def _variants(cells: Results, kind: str) -> list[tuple[str, str, str]]:
    """(key, map, title) of the systems measured on stills."""
    variants = []
    for key in (*SYSTEMS, "navier-stokes"):
        for maps in ("none", "damaged", "clean"):
            if any(slug(f"{kind}-{key}-{maps}-{mask}") in cells for mask in STILL_MASKS):
                title = SYSTEMS[key].title if key in SYSTEMS else "Navier-Stokes (OpenCV)"
                variants.append((key, maps, title + ("" if maps == "none" else f", {maps} map")))
    return variants


def _stills(cells: Results) -> str:
    parts = []
    for measure in ("hole PSNR", "PSNR"):
        rows = []
        for mask in STILL_MASKS:
            row = [mask]
            for key, maps, _ in _variants(cells, "stills"):
                cell = cells.get(slug(f"stills-{key}-{maps}-{mask}"), {})
                row.append(f"{cell[measure]:.2f}" if measure in cell else "")
            if any(row[1:]):
                rows.append([*row, _PAPERS_STILLS.get(mask, "") if measure == "PSNR" else ""])
        titles = [title for *_, title in _variants(cells, "stills")]
        where = "in the hole" if measure == "hole PSNR" else "over the picture"
        head = ["mask", *titles, "papers" if measure == "PSNR" else ""]
        if measure == "hole PSNR":
            head, rows = head[:-1], [row[:-1] for row in rows]
        parts.append(f"### PSNR {where}, dB, mean over pictures\n\n" + _table(head, rows))
    counts = []
    for key, maps, title in _variants(cells, "stills"):
        shown = [cells.get(slug(f"stills-{key}-{maps}-{mask}"), {}) for mask in STILL_MASKS]
        found = sorted({cell["pictures"] for cell in shown if "pictures" in cell})
        if found:
            counts.append(f"{title} {' or '.join(map(str, found))}")
    return "\n".join(parts) + "\nPictures measured per mask: " + ", ".join(counts) + ".\n"


def _paired(cells: Results) -> str:
    """One pass beside search on the very same pictures and masks."""
    rows = []
    for key, pair in ONE_PASS.items():
        for mask in STILL_MASKS:
            fast = cells.get(slug(f"paired-{key}-{mask}"))
            slow = next((c for m in ("none", "clean") if (c := cells.get(slug(f"stills-{key}-{m}-{mask}")))), None)
            if fast and slow and fast["pictures"] == slow["pictures"]:
                pairs = [(name, cell) for name in ("hole PSNR", "blended hole PSNR") for cell in (slow, fast)]
                values = [f"{cell[name]:.2f}" if name in cell else "" for name, cell in pairs]
                rows.append([mask, SYSTEMS[key].title, SYSTEMS[pair].title, str(fast["pictures"]), *values])
    if not rows:
        return ""
    head = [
        "mask",
        "search",
        "one pass",
        "pictures",
        "search, hole PSNR",
        "one pass",
        "search, blended",
        "one pass, blended",
    ]
    text = "With the same generator, on the same pictures, holes and maps (the clean picture's):"
    return "### One pass against search\n\n" + text + "\n\n" + _table(head, rows)


def _one_measure(cells: Results) -> str:
    """Everything else about three masks."""
    rows = []
    fid = ["FID"] if any("FID" in cell for cell in cells.values()) else []
    for mask in DETAILED:
        for key, maps, title in _variants(cells, "stills"):
            cell = cells.get(slug(f"stills-{key}-{maps}-{mask}"), {})
            if not cell:
                continue
            names = ["hole SSIM", "SSIM", "Frechet", "landmark error", "blended hole PSNR", *fid]
            values = [f"{cell[name]:.3f}" if name in cell else "" for name in names]
            rows.append([mask, title, *values])
    head = ["mask", "system", "SSIM in the hole", "SSIM", "Frechet distance", "landmark error / IOD"]
    return "### Other measures\n\n" + _table([*head, "PSNR in the hole with Poisson blending", *fid], rows)


def _consistency(cells: Results) -> str:
    rows = []
    for key, listed in SYSTEMS.items():
        found = [cells.get(slug(f"consistency-{key}-{mask}"), {}) for mask in CONSISTENCY_MASKS]
        if any(found):
            pictures = str(next(cell["pictures"] for cell in found if cell))
            rows.append([listed.title, pictures, *(f"{c['consistency']:.2f}" if c else "" for c in found)])
    if not rows:
        return ""
    rows.append(["papers (2017)", "2000", *(_PAPERS_CONSISTENCY[mask] for mask in CONSISTENCY_MASKS)])
    text = (
        "Mean pairwise PSNR of the pictures G(z) of four repairs of one picture, of two where a system searches; maps "
        "from the clean picture. One pass "
        "always gives the same picture for the same hole, so that the constant left hole says nothing of it (60 dB)."
    )
    return "### Consistency (eq. 7), dB\n\n" + text + "\n\n" + _table(["system", "pictures", *CONSISTENCY_MASKS], rows)


def _video(cells: Results) -> str:
    rows = []
    for key, listed in SYSTEMS.items():
        for kind in ("moving", "codec"):
            cell = cells.get(slug(f"video-{key}-{kind}"))
            if cell:
                names = ("hole PSNR", "hole SSIM", "temporal error", "landmark error")
                holes = "rectangle" if kind == "moving" else "codec"
                rows.append([holes, listed.title, str(cell["pictures"]), *(f"{cell[name]:.3f}" for name in names)])
    rows.sort(key=lambda row: (row[0] != "rectangle", -int(row[2])))
    text = (
        "Every picture has a hole of its own: a rectangle of 0.35 to 0.5 of the side, or a codec's. Maps from the "
        "damaged picture, hidden landmarks from the one before. Temporal error: mean squared change of a repaired "
        "pixel along the clean pictures' motion, 8-bit steps; compare only rows with as many pictures. PSNR is pooled "
        "over all pictures."
    )
    head = [
        "hole",
        "system",
        "pictures",
        "PSNR in the hole",
        "SSIM in the hole",
        "temporal error",
        "landmark error / IOD",
    ]
    return "### Talking heads\n\n" + text + "\n\n" + _table(head, rows)


def _intervals(cells: Results) -> str:
    """Which of two systems is better, with an interval."""
    rows = []
    for first, second in COMPARED:
        for kind in KINDS_OF_HOLES:
            cell = cells.get(slug(f"intervals-{first}-{second}-{kind}"))
            if cell:
                (low, high), (least, most) = cell["hole PSNR interval"], cell["log temporal error interval"]
                error, least, most = (100 * math.expm1(x) for x in (cell["log temporal error"], least, most))
                pair = f"{SYSTEMS[first].title} over {SYSTEMS[second].title}"
                quality = f"{cell['hole PSNR']:+.2f} ({low:+.2f} to {high:+.2f})"
                holes = "rectangle" if kind == "moving" else "codec"
                rows.append([holes, pair, quality, f"{error:+.1f} ({least:+.1f} to {most:+.1f})", str(cell["clips"])])
    if not rows:
        return ""
    rows.sort(key=lambda row: row[0] != "rectangle")
    text = (
        "The same clips, holes and measures as above, five draws of holes a clip; in brackets 95 % intervals "
        "(bootstrap over clips). An interval that holds zero settles nothing."
    )
    head = ["hole", "pair", "PSNR in the hole, dB", "temporal error, %", "clips"]
    return "### One system against another\n\n" + text + "\n\n" + _table(head, rows)


def _ranking(cells: Results) -> str:
    found = {key: cells[slug(f"ranking-{key}")] for key in SYSTEMS if slug(f"ranking-{key}") in cells}
    rows = [[SYSTEMS[key].title, f"{cell['hole PSNR']:.2f}", str(cell["pictures"])] for key, cell in found.items()]
    if not rows:
        return ""
    rows.sort(key=lambda row: -float(row[1]))
    text = (
        "PSNR in a codec's holes of held-out identities of the training set, seams closed, maps from the damaged "
        "picture. By this, not by the tables above, the network is chosen that proposes in the stream."
    )
    return "### Ranking\n\n" + text + "\n\n" + _table(["system", "PSNR in the hole, dB", "pictures"], rows)


def _speed(cells: Results) -> str:
    times = {key: cells[slug(f"speed-{key}")]["ms"] for key in SYSTEMS if slug(f"speed-{key}") in cells}
    slow = times.get("iterative")
    rows = [[SYSTEMS[key].title, f"{ms:.2f}", f"{slow / ms:.0f}" if slow else ""] for key, ms in times.items()]
    text = (
        "One picture at a time, map from the damaged picture included where one is used "
        "(papers: 2175 ms against 2.7, 780 times)."
    )
    return "### Speed\n\n" + text + "\n\n" + _table(["system", "ms a picture", "times iterative inference"], rows)


def _landmarks(cells: Results) -> str:
    cell = cells.get("landmarks")
    if not cell:
        return ""
    rows = [
        [name, f"{value['RLE'] * 100:.1f}", f"{value['within 5 %'] * 100:.0f}", f"{value.get('found', 1) * 100:.0f}"]
        for name, value in cell.items()
        if isinstance(value, dict)
    ]
    head = ["found by", "mean error, % of inter-ocular distance", "points within 5 %", "faces found, %"]
    text = "### Landmarks with half of the picture missing (freehand)\n\n" + _table(head, rows)
    return text + "\n" + _landmarks_video(cells) if "landmarks-video" in cells else text


def _landmarks_video(cells: Results) -> str:
    rows = [
        [name, *(f"{value[part] * 100:.1f}" for part in ("RLE", "RLE hidden", "jitter"))]
        for name, value in cells["landmarks-video"].items()
        if isinstance(value, dict)
    ]
    text = (
        "Talking heads, a rectangle missing in every picture; % of the inter-ocular distance. Jitter: error of the "
        "change from picture to picture."
    )
    head = ["detector and refiner", "mean error", "of hidden points", "jitter"]
    return "### Landmarks in video\n\n" + text + "\n\n" + _table(head, rows)
