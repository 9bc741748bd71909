"""python -m train.confidence FOLDER... : fit `concealer.decoder.promising` on clips and write it in place."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

import concealer.decoder.promising
from concealer.decoder.promising import FIGURES, Model, Values
from concealer.outcome import PROMISED, SLACK
from train.confidence.examples import rows_of, ways
from train.confidence.fitting import fit
from train.video.examples import clips

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.85, 0.95, 1.0)


def collect(folders: Sequence[Path], rounds: Sequence[int]) -> tuple[Values, Values]:
    """(n, figures and PSNR-Y) over all clips, and (n,) the number of each row's clip."""
    found, owners = [], []
    untouched = wrong = 0
    for number, path in enumerate(clips(folders)):
        for way in (way for turn in rounds for way in ways(path, turn)):
            try:
                rows, whole, false = rows_of(path, way)
            except Exception as error:  # one clip that cannot be read does not end the work
                print(f"{path.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                continue
            untouched, wrong = untouched + whole, wrong + false
            if false:
                print(f"{path.name}: {way}: {false} of {whole} untouched pictures are not", file=sys.stderr, flush=True)
            if len(rows):
                found.append(rows)
                owners.append(np.full(len(rows), float(number)))
        print(
            f"{number + 1} clips, {sum(map(len, found))} pictures, {wrong} of {untouched} wrongly untouched", flush=True
        )
    return np.concatenate(found), np.concatenate(owners)


def reliability(figures: Values, psnr: Values, model: Model) -> dict[str, list[float]]:
    """By bins of confidence: pictures, mean confidence, share that kept the promise."""
    said = np.array([model.promise(one).confidence for one in figures])
    kept = psnr >= PROMISED - SLACK
    table = {}
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = (said >= low) & (said < high)
        if inside.any():
            row = [float(inside.sum()), float(said[inside].mean()), float(kept[inside].mean())]
            table[f"{low:g}-{high:g}"] = [round(value, 3) for value in row]
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.confidence", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of clips to damage")
    parser.add_argument("--rounds", type=int, nargs="+", default=[0], help="numbers of rounds over all clips")
    parser.add_argument("--rows", type=Path, help="file of what was collected: read if it is there, else written")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    if options.rows is not None and options.rows.exists():
        with np.load(options.rows) as stored:
            rows, owners = stored["rows"], stored["owners"]
    else:
        rows, owners = collect(options.folders, options.rounds)
        if options.rows is not None:
            np.savez_compressed(options.rows, rows=rows, owners=owners)
    figures, psnr = rows[:, :-1], rows[:, -1]
    halves = [owners % 2 == half for half in (0, 1)]
    measured = [reliability(figures[~half], psnr[~half], fit(figures[half], psnr[half])) for half in halves]
    print(json.dumps(measured, indent=1))
    model = fit(figures, psnr)
    stored_model = {name: [round(float(value), 5) for value in getattr(model, name)] for name in ("psnr", "odds")}
    about = {"figures": FIGURES, **stored_model, "pictures": len(psnr), "clips": len(set(owners)), "held_out": measured}
    folder = Path(concealer.decoder.promising.__file__).parent
    (folder / "model.json").write_text(json.dumps(about) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
