"""Tables of the network that chooses between candidates: what each stage is worth, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.channel import SLICE
from benchmarks.store import Row
from benchmarks.streams import COMBINATIONS
from benchmarks.tables import CODEC_NAMES, STRUCTURE_NAMES, clips_of, markdown, mean, number, select

PROFILES = {"slices": SLICE, "real": "rtp"}
"""Loss models by profile."""
TODAY = "unlearnt"
STAGES = {
    TODAY: "without the network",
    "concealer": "as shipped",
    "forgetful": "- over itself with its state cleared",
    "oracle_choice": "told what each candidate errs by",
    "oracle_motion": "told the motion",
}
STAGES_HEAD = """\
Slices: many slices a picture, whole ones lost. Real: one slice a picture, RTP packets lost, their places unknown. No \
look-ahead, closed loop. First line: hole PSNR; below: gain over it, mean over clips (worst clip), of streams that \
both were run on; the oracles and the cleared state on two seeds. *Whole*: sequence PSNR. Told the motion, HEVC goes \
without stand-in slices."""
COST_HEAD = """\
Each damaged picture of 1280x720 (one of eight slices lost in every third picture) repaired with and without the \
network, one after the other. The last column is time of the process."""


def stages_table(rows: Sequence[Row]) -> str:
    """Gain of every stage over `TODAY`, hole PSNR and sequence PSNR."""
    combinations = [(profile, *both) for profile in PROFILES for both in COMBINATIONS]
    parts = [select(rows, model=PROFILES[profile], codec=codec, structure=structure)
             for profile, codec, structure in combinations]  # fmt: skip
    lines = [["", *(number(_over_clips(part)) for part in parts)]]
    lines[0][0] = STAGES[TODAY]
    for method in list(STAGES)[1:]:
        first, second = ("concealer", method) if method == "forgetful" else (method, TODAY)
        for name, title in (("hole_psnr", STAGES[method]), ("psnr", "- whole")):
            found = [list(gains(part, first, name, second).values()) for part in parts]
            lines.append([title, *(_cell(values) for values in found)])
    heads = [f"{profile}, {CODEC_NAMES[codec]} {STRUCTURE_NAMES[structure]}"
             for profile, codec, structure in combinations]  # fmt: skip
    return markdown(["", *heads], lines)


def gains(rows: Sequence[Row], method: str, name: str, other: str = TODAY) -> dict[str, float]:
    """By clip: mean over seeds of what `method` has more of `name` than `other`, on streams that have both."""
    out = {}
    for clip in clips_of(rows):
        more = []
        for row in select(rows, clip=clip, method=method):
            today = [one.get(name) for one in select(rows, clip=clip, method=other, seed=row["seed"])]
            if today and today[0] is not None and row.get(name) is not None:
                more.append(row[name] - today[0])
        if more:
            out[clip] = sum(more) / len(more)
    return out


def cost_table(rows: Sequence[Row]) -> str:
    """Milliseconds of a repair with and without the network."""
    heads = ["codec", "structure", "repairs", "without, ms", "with, ms", "more, ms", "95 %", "more, process"]
    names = ("plain_ms", "chosen_ms", "more_ms", "more_p95_ms", "more_process_ms")
    lines = [
        [CODEC_NAMES[str(row["codec"])], STRUCTURE_NAMES[str(row["structure"])], str(row["repairs"]),
         *(number(row[name], 1) for name in names)]
        for row in rows
    ]  # fmt: skip
    return markdown(heads, lines)


def _over_clips(rows: Sequence[Row]) -> float | None:
    today = select(rows, method=TODAY)
    return mean([mean([row.get("hole_psnr") for row in select(today, clip=clip)]) for clip in clips_of(today)])


def _cell(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):+.2f} ({min(values):+.2f})" if values else "-"
