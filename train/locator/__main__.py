"""python -m train.locator FOLDER... : train the networks of `concealer.decoder.locating` and write them in place."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import concealer.decoder.locating
from concealer.bitstream import Codec
from concealer.decoder.locating import Habits, begun_by
from concealer.repair import share_of_repair
from train.locator.examples import Example, clips, examples

Values = np.ndarray[Any, Any]
CODECS: tuple[Codec, ...] = ("h264", "hevc")
_REPAIRED = 80.0
"""Mean squared error of a repaired block, where a picture does not tell (29 dB)."""
_NOISE = 1.0
"""Mean squared error beside which less does not count."""
_LEAST_AREA = 20
_HELD: dict[Codec, dict[str, float]] = {
    "h264": {"alike": 0.04, "at_once": 4.0, "reach": 40.0},
    "hevc": {"alike": 0.04, "at_once": 0.0, "reach": 1e4},
}
"""What pictures one by one hardly tell apart (0.1 dB), and whole streams do: picked among six settings on 64 damaged
streams of 16 training clips."""
_HIDDEN, _ROUNDS, _BATCH, _RATE, _DECAY = 24, 6, 4096, 3e-3, 0.6


def make(folders: Sequence[Path], codec: Codec, seeds: Sequence[int]) -> list[Example]:
    """Every example; says how far it has come."""
    found: list[Example] = []
    for seed in seeds:
        paths = clips(folders)
        for number, path in enumerate(paths, 1):
            try:
                found += examples(path, codec, seed, paths)
            except Exception as error:  # one clip that cannot be read does not end the training
                print(f"{path.name}: {type(error).__name__}: {error}", file=sys.stderr)
            if number % 20 == 0:
                print(f"{codec} seed {seed}: {number} clips, {len(found)} pictures", file=sys.stderr)
    return found


def inputs(example: Example, which: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(blocks, figures) of one picture, its kind among them."""
    figures = getattr(example, which)
    kinds = np.array([example.kind == name for name in "PBI"], np.float32)
    return np.concatenate([figures.reshape(len(figures), -1).T, np.tile(kinds, (example.wrong.size, 1))], axis=1)


def fit(found: Sequence[Example], which: str, seed: int = 0) -> torch.nn.Sequential:
    """A network that tells visibly wrong blocks from right ones, each class counting alike."""
    torch.manual_seed(seed)
    values, answers = [], []
    for one in found:
        if getattr(one, which) is None:
            continue
        rows, known = inputs(one, which), one.known.ravel()
        right, wrong = ~one.wrong.ravel() & ~known, one.visible.ravel() & ~known
        values += [rows[right], rows[wrong]]
        answers += [np.zeros(right.sum(), np.float32), np.ones(wrong.sum(), np.float32)]
    x, y = torch.tensor(np.concatenate(values)), torch.tensor(np.concatenate(answers))
    mean, spread = x.mean(0), x.std(0) + 1e-3
    network = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], _HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(_HIDDEN, _HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(_HIDDEN, 1),
    )
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=1e-3)
    weights = torch.where(y > 0, (1 - y).sum() / y.sum(), torch.tensor(1.0))
    for _ in range(_ROUNDS):
        order = torch.randperm(len(x))
        for start in range(0, len(x), _BATCH):
            part = order[start : start + _BATCH]
            guess = network((x[part] - mean) / spread).squeeze(-1)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(guess, y[part], weight=weights[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        for group in optimiser.param_groups:
            group["lr"] *= _DECAY
    network.mean, network.spread = mean, spread  # type: ignore[assignment]
    return network


def signs_of(found: Sequence[Example], network: torch.nn.Sequential, which: str) -> list[tuple[Example, Values]]:
    """Each picture that has such figures, with what its blocks say."""
    out = []
    for one in found:
        if getattr(one, which) is not None:
            with torch.no_grad():
                x = (torch.tensor(inputs(one, which)) - network.mean) / network.spread  # type: ignore[operator]
                signs = network(x).squeeze(-1).numpy().clip(-4, 4).reshape(one.wrong.shape)
            out.append((one, np.where(one.known, 0, signs).astype(np.float32)))
    return out


def measure(looked: Sequence[tuple[Example, Values]], habits: Habits | None) -> dict[str, float]:
    """Recall of visibly wrong blocks, precision, share of the squared error outside the marks, and what of the error
    is left in a picture on the mean once repair is mixed in (dB over a mean squared error of 1).

    habits: None takes the decoder's word for where the damage begins.
    """
    hit = wrong = true = marked = 0
    left = total = cost = 0.0
    for one, signs in looked:
        belief = begun(signs, one.known, one.unit // 16, habits)
        mark = belief > 0.5
        hit, wrong = hit + int((mark & one.visible).sum()), wrong + int(one.visible.sum())
        true, marked = true + int((mark & one.wrong).sum()), marked + int(mark.sum())
        left, total = left + float(one.error[~mark].sum()), total + float(one.error.sum())
        cost += _left_in(one, belief)
    return {
        "pictures": len(looked),
        "recall": round(hit / wrong, 4),
        "precision": round(true / marked, 4),
        "error_left": round(left / total, 4),
        "left_db": round(cost / len(looked), 3),
    }


def _left_in(one: Example, belief: Values) -> float:
    repaired = _REPAIRED if np.isnan(one.repaired) else one.repaired
    share = share_of_repair(belief, one.error + repaired, repaired)
    # Both err independently of each other.
    error = np.where(one.known, repaired, np.square(1 - share) * one.error + np.square(share) * repaired)
    return 10 * float(np.log10(error.mean() + _NOISE))


def habits_of(looked: Sequence[tuple[Example, Values]], codec: Codec) -> Habits:
    """Those of the areas of these pictures, and what is held of the codec."""
    right: list[float] = []
    wrong: list[float] = []
    scatter: list[float] = []
    for one, signs in looked:
        for area, means in ((~one.wrong & ~one.known, right), (one.visible & ~one.known, wrong)):
            if area.sum() >= _LEAST_AREA:
                means.append(float(signs[area].mean()))
                scatter.append(float(signs[area].var()))
    return Habits(
        right=float(np.mean(right)),
        right_spread=float(np.std(right)),
        wrong=float(np.mean(wrong)),
        wrong_spread=float(np.std(wrong)),
        variance=float(np.mean(scatter)),
        **_HELD[codec],
    )


def begun(signs: Values, known: Values, side: int, habits: Habits | None) -> Values:
    """Probability, block by block, that a one-slice picture is wrong there; `side`: blocks of a unit's side."""
    rows, cols = (-(-n // side) for n in signs.shape)
    whole = np.zeros((3, rows * side, cols * side), np.float32)
    whole[:, : signs.shape[0], : signs.shape[1]] = signs, known, np.ones_like(signs)
    units = whole.reshape(3, rows, side, cols, side).sum((2, 4)).reshape(3, -1)
    noticed = bool(units[1].any())
    end = int(np.argmax(units[1] > 0)) if noticed else rows * cols
    chance = np.ones(rows * cols, np.float32)
    if habits is None:
        chance[:end] = 0.0 if noticed else 1.0
    else:
        chance[:end] = begun_by((units[0] / units[2])[:end], side * side, rows * cols, habits, noticed=noticed)
    spread = chance.reshape(rows, cols).repeat(side, 0).repeat(side, 1)
    return spread[: signs.shape[0], : signs.shape[1]]


def stored(network: torch.nn.Sequential) -> dict[str, Any]:
    """As `concealer.decoder.locating` reads it."""
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    return {
        "mean": rounded(network.mean),
        "spread": rounded(network.spread),
        "layers": [[rounded(layer.weight), rounded(layer.bias)] for layer in layers],
    }


def rounded(values: Any) -> Any:
    """Lists of numbers with five significant digits."""
    return json.loads(json.dumps(values.detach().tolist()), parse_float=lambda text: float(f"{float(text):.5g}"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.locator", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of clips to damage")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12], help="a round over all clips each")
    options = parser.parse_args(arguments)
    torch.set_num_threads(2)
    for codec in CODECS:
        found = make(options.folders, codec, options.seeds)
        names = sorted({one.clip for one in found})
        halves = [[one for one in found if names.index(one.clip) % 2 == half] for half in (0, 1)]
        looked = {
            which: [signs_of(halves[1 - half], fit(halves[half], which), which) for half in (0, 1)]
            for which in ("past", "alone")
        }
        habits = habits_of(looked["past"][0] + looked["past"][1], codec)
        measured = {which: [measure(half, habits) for half in halves] for which, halves in looked.items()}
        alone = measure(looked["past"][0] + looked["past"][1], None)
        print(json.dumps({codec: measured, "habits": asdict(habits), "decoder alone": alone}), flush=True)
        networks = {which: stored(fit(found, which)) for which in ("past", "alone")}
        folder = Path(concealer.decoder.locating.__file__).parent
        made = networks | {"habits": asdict(habits), "measured": measured | {"decoder alone": alone}}
        (folder / f"{codec}.json").write_text(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
