"""`python -m train.card KEY`: the card of a trained system, from its weights' notes, its shards and its results."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from safetensors import safe_open

from train.data.shards import licences
from train.data.split import OWN_ARCHIVES, is_own
from train.evaluation.catalogue import DETAILED, FINDERS, LANDMARK_WEIGHTS, SYSTEMS, Listed, slug
from train.sizes import SIZES

_SAW_CLIPS = ("grouped", "prior-structure", "detector", "refiner", "regions", "attributes", "segmentation")
"""Begin the recipes that draw on clips; the prior with structure does through the landmarks it is given, the embedding
networks of the boosted GAN through the detector they start from."""


_SEMANTIC = {"maps": ("regions",), "occlusion": ("occlusion",), "blind": ("sgin", "occlusion")}
"""What SGIN's measurements say something of, by key."""
_TOLD = {
    "maps": "overlap of the regions with those of the clean picture's landmarks",
    "occlusion": "found blindly",
    "blind": "detector, map predictor and generator in a row, PSNR in what was hidden, dB",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m train.card", description=(__doc__ or "").split(":")[0])
    parser.add_argument("key", choices=[*SYSTEMS, *FINDERS, *LANDMARK_WEIGHTS])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--shards", type=Path, default=Path("shards"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    try:
        print(card(arguments.key, arguments.size, arguments.shards, arguments.runs, arguments.results), end="")
    except (OSError, ValueError) as error:
        print(f"train.card: {error}", file=sys.stderr)
        return 1
    return 0


def card(key: str, size: int, shards: Path, runs: Path, results: Path) -> str:
    """Markdown: what it is, data and licences, training, measures, limits. Raises ValueError or OSError."""
    listed = SYSTEMS.get(key) or FINDERS.get(key) or Listed(f"landmark {key}", (LANDMARK_WEIGHTS.get(key, ""),))
    lines = [f"# {listed.title}, {size} px faces", ""]
    lines += ["## Data and attribution", "", *_data(shards, size, listed.weights), ""]
    lines += ["## Training", ""]
    for part in listed.weights:
        path = runs / f"{part.format(size)}.safetensors"
        with safe_open(path, framework="np") as file:
            note = (file.metadata() or {}).get("note", "")
        lines.append(f"- {path.stem} of `{path.parent.name}`: `{note}`, {path.stat().st_size / 1e6:.1f} MB, float16")
    if size > SIZES[0]:
        lines.append(f"- grown from the networks of {size // 2} px, whose steps come before these")
    lines += ["", "Cut short by the hardware: see the queue in train/README.md.", ""]
    lines += ["## Measures", "", *_measures(key, results / str(size)), "", "All: docs/papers.md.", ""]
    lines += ["## Limits", ""]
    lines += [
        "Faces only, seen from the front or nearly, in square crops whose side is 3.6 distances between the eyes, eyes "
        "level at 0.42 of the height. Most training pictures are official portraits: suits, grey backdrops, few young "
        "people, adults of two countries' parliaments above all. Fine detail is soft. What it paints is invented: it "
        "is not evidence of what a person looked like.",
    ]
    return "\n".join(lines) + "\n"


def _data(shards: Path, size: int, parts: tuple[str, ...]) -> list[str]:
    """What the networks saw; clips count only where they were trained on, or on what such a network found."""
    clips = any(part.startswith(_SAW_CLIPS) for part in parts)
    sets = ("stills-train", "clips-train") if clips else ("stills-train",)
    own, others = (parts == FINDERS[key].weights for key in ("regions", "occlusion"))
    counts: Counter[str] = Counter()
    for name in sets:
        apart = name == "stills-train" and (own or others)
        counts.update(licences(shards, name, size, (lambda still: is_own(still) == own) if apart else lambda _: True))
    rows = [f"- {licence}: {count} pictures" for licence, count in counts.most_common() if count]
    archives = " and ".join(OWN_ARCHIVES)
    split = f", of the stills those of {archives}" if own else f", but for {archives}" if others else ""
    return [f"Trained on {' and '.join(f'`{name}`' for name in sets)}{split}:", "", *rows]


def _measures(key: str, folder: Path) -> list[str]:
    rows = []
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    if key in LANDMARK_WEIGHTS:
        cell = json.loads((folder / "landmarks.json").read_text(encoding="utf-8"))
        rows = [
            f"- {name}: mean error {value['RLE'] * 100:.1f} % of the inter-ocular distance"
            for name, value in cell.items()
            if isinstance(value, dict)
        ]
        return [f"{about['stills']} evaluation faces, half of the picture missing:", "", *rows]
    for name in ("maps", "occlusion", "blind"):
        path = folder / f"semantics-{name}.json"
        if path.exists() and key in _SEMANTIC[name]:
            cell = json.loads(path.read_text(encoding="utf-8"))
            rows += [
                f"- {_TOLD[name]}, {trouble}: " + ", ".join(f"{what} {value}" for what, value in values.items())
                for trouble, values in cell.items()
                if isinstance(values, dict)
            ]
    for mask in DETAILED:
        for maps in ("none", "damaged"):
            path = folder / f"{slug(f'stills-{key}-{maps}-{mask}')}.json"
            if path.exists():
                cell = json.loads(path.read_text(encoding="utf-8"))
                rows.append(
                    f"- {mask} holes: PSNR {cell['hole PSNR']:.2f} dB in the hole, {cell['PSNR']:.2f} dB over the "
                    f"picture ({cell['pictures']} evaluation faces)"
                )
    path = folder / f"{slug(f'speed-{key}')}.json"
    if path.exists():
        cell = json.loads(path.read_text(encoding="utf-8"))
        rows.append(f"- {cell['ms']:.1f} ms a picture in PyTorch on {about['hardware']}")
    return rows


if __name__ == "__main__":
    sys.exit(main())
