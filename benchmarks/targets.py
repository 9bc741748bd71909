"""What the figures are meant to reach, and whether they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks import hook_tables, large_tables
from benchmarks.archive_tables import archive_verdicts
from benchmarks.check_tables import check_verdicts
from benchmarks.conformance_tables import conformance_verdicts
from benchmarks.container_tables import container_verdicts
from benchmarks.engine_tables import faces_cells
from benchmarks.fuzz_tables import fuzz_verdicts
from benchmarks.interlaced_tables import interlaced_splice_verdicts, interlaced_verdicts
from benchmarks.long_tables import long_verdicts
from benchmarks.real_targets import real_verdicts
from benchmarks.splice_tables import splice_verdicts
from benchmarks.store import Row
from benchmarks.tables import (
    CODEC_NAMES,
    clips_of,
    combination_title,
    combinations,
    least_above,
    lookahead_rows,
    mean,
    number,
    over_clips,
    precision,
    recall,
    select,
    whole_rows,
)

RATE = 0.03
"""Slice loss of the main tables."""
_REPAIR_MS, _MEMORY_MB, _GROWTH = 25.0, 700.0, 1.05
_WHOLE_MS = {0: 20.0, 2: 33.0}
_LARGE_MS = {720: 33.0, 1080: 50.0}
"""Median cost of a damaged 720p picture, by look-ahead."""
_STANDIN_MS = 5.0


@dataclass(frozen=True)
class Verdict:
    """One target."""

    target: str
    measured: str
    met: bool

    def line(self) -> list[str]:
        return [self.target, self.measured, "yes" if self.met else "**no**"]


def verdicts(results: dict[str, Sequence[Row]]) -> list[Verdict]:
    """All targets for which there are rows; keys are the names of the results files."""
    checks: dict[str, Callable[[Sequence[Row]], Iterator[Verdict]]] = {
        "real": _real,
        "interlaced": _interlaced,
        "quality": _quality,
        "detection": _detection,
        "untouched": _untouched,
        "hook": _hook,
        "large": _large,
        "latency": _latency,
        "engines": _engines,
        "faces": _faces,
        "splice": _splice,
        "interlaced_splice": _interlaced_splice,
        "containers": _containers,
        "long_file": _long_file,
        "check": _check,
        "archive": _archive,
        "conformance": _conformance,
        "fuzz": _fuzz,
    }
    return [verdict for name, check in checks.items() for verdict in check(results.get(name, ()))]


def gain(rows: Sequence[Row], over: str) -> dict[str, float]:
    """Sequence PSNR of concealer minus that of method `over`, by clip, each a mean over seeds."""
    gains = {}
    for clip in clips_of(rows):
        pair = [mean([row.get("psnr") for row in select(rows, clip=clip, method=name)]) for name in ("concealer", over)]
        if pair[0] is not None and pair[1] is not None:
            gains[clip] = pair[0] - pair[1]
    return gains


def _quality(rows: Sequence[Row]) -> Iterator[Verdict]:
    ours = select(rows, method="concealer")
    if ours:
        sent = sum(row["pictures_in"] for row in ours)
        out = sum(row["pictures_out"] for row in ours)
        arrived = sum(row["pictures_arrived"] for row in ours)
        short = sum(row["pictures_out"] < row["pictures_arrived"] for row in ours)
        measured = f"{sent} sent, {arrived} arrived, {out} out; too few in {short} of {len(ours)} streams"
        target = "a picture for every access unit that arrived, every loss model"
        yield Verdict(target, measured, short == 0)
    wanted = {
        ("h264", "P"): (("ffmpeg", 1.5),),
        ("h264", "B"): (("ffmpeg", 0.0),),
        ("hevc", "P"): (("ffmpeg_corrupt", 9.0), ("copy", 0.3)),
        ("hevc", "B"): (("ffmpeg_corrupt", 9.0), ("copy", 0.3)),
    }
    yield from _motion(rows)
    for codec, structure, part in combinations(select(rows, model="slice", rate=RATE, detail="")):
        title = combination_title(codec, structure)
        for method, least in wanted[codec, structure]:
            average = mean(list(gain(part, method).values()))
            if average is not None:
                target = f"{title}: sequence PSNR at least {method} {least:+.1f} dB"
                yield Verdict(target, f"{average:+.2f} dB", average >= least)
        gains = gain(part, "ffmpeg")
        if codec == "h264" and gains:
            worst = min(gains, key=gains.__getitem__)
            target = f"{title}: on no clip more than 0.2 dB below ffmpeg"
            yield Verdict(target, f"{gains[worst]:+.2f} dB ({worst})", gains[worst] >= -0.2)


def _motion(rows: Sequence[Row]) -> Iterator[Verdict]:
    """Stand-ins, vectors, look-ahead and whole pictures."""
    main = select(rows, model="slice", rate=RATE, detail="")
    every: list[float] = []
    for _, structure, part in combinations(select(main, codec="hevc")):
        gains = gain(part, "pixels_only")
        every += gains.values()
        if gains:
            worst = min(gains, key=gains.__getitem__)
            title = combination_title("hevc", structure)
            target = f"{title}: on no clip more than 0.2 dB below repair without stand-in slices"
            yield Verdict(target, f"{gains[worst]:+.2f} dB ({worst})", gains[worst] >= -0.2)
    average = mean(every)
    if average is not None:
        target = "HEVC: sequence PSNR at least repair without stand-in slices +1.5 dB"
        yield Verdict(target, f"{average:+.2f} dB", average >= 1.5)
    ahead = lookahead_rows(main)
    if ahead:
        two, none = (
            mean([over_clips(select(part, method=name), "hole_psnr") for _, _, part in combinations(ahead)])
            for name in ("ahead_2", "concealer")
        )
        if two is not None and none is not None:
            measured = f"{two - none:+.2f} dB ({len(clips_of(ahead))} clips)"
            yield Verdict("look-ahead 2 against 0: hole PSNR at least +0.7 dB", measured, two - none >= 0.7)
    for model, name in (("picture", "lost pictures"), ("idr", "lost IDR pictures")):
        for codec, structure, part in combinations(select(whole_rows(rows), model=model)):
            lowest = least_above(part)
            if lowest is not None:
                target = f"{combination_title(codec, structure)}, {name}: on every clip at least FFmpeg and freeze"
                measured = f"{lowest[1]:+.2f} dB ({lowest[0]}; {len(clips_of(part))} clips)"
                yield Verdict(target, measured, lowest[1] >= 0.0)


def _detection(rows: Sequence[Row]) -> Iterator[Verdict]:
    lost = select(rows, **{"class": "lost"})
    if lost:
        found = precision(lost), recall(lost)
        measured = " / ".join(number(value, 4) for value in found)
        yield Verdict("dropped slices: precision and recall 1.0", measured, found == (1.0, 1.0))
    for codec, least in (("h264", 0.95), ("hevc", 0.90)):
        share = recall(select(rows, **{"class": "broken, known place"}, codec=codec))
        if share is not None:
            target = f"{CODEC_NAMES[codec]} bytes gone at a known place: recall at least {least:.2f}"
            yield Verdict(target, number(share, 3), share >= least)
    for codec in ("h264", "hevc"):
        share = recall(select(rows, **{"class": "tainted, errors above 8"}, codec=codec))
        if share is not None:
            target = f"{CODEC_NAMES[codec]} tainted, errors above 8: recall at least 0.95"
            yield Verdict(target, number(share, 3), share >= 0.95)


def _untouched(rows: Sequence[Row]) -> Iterator[Verdict]:
    if rows:
        differing, samples = (sum(row[name] for row in rows) for name in ("differing", "samples"))
        yield Verdict("untouched samples that differ: 0", f"{differing} of {samples:,}", differing == 0)


def _hook(rows: Sequence[Row]) -> Iterator[Verdict]:
    for slices, most in hook_tables.MOST.items():
        row = hook_tables.worst(rows, slices)
        if row is not None:
            ratio, many = row["ratio_processor"], "one slice" if slices == 1 else f"{slices} slices"
            where = f"{CODEC_NAMES[row['codec']]}, {row['height']}p"
            target = f"hook on undamaged 720p and 1080p streams of {many} a picture: at most {most} times PyAV"
            yield Verdict(target, f"{ratio:.3f} at worst ({where})", ratio <= most)


def _large(rows: Sequence[Row]) -> Iterator[Verdict]:
    row = large_tables.slowest(rows)
    if row is not None:
        rate = 1e3 / row["hooked_clock_ms"]
        where = combination_title(row["codec"], row["structure"])
        target = f"undamaged 2160p at 20 Mbit/s through the hook: {large_tables.FPS} pictures/s in one thread"
        yield Verdict(target, f"{rate:.0f} by the clock at worst ({where})", rate >= large_tables.FPS)


def _latency(rows: Sequence[Row]) -> Iterator[Verdict]:
    worst = max(select(rows, measure="repair"), key=lambda row: row["median_ms"], default=None)
    if worst is not None:
        where = combination_title(worst["codec"], worst["structure"])
        target = f"repair of a 720p picture that lost one of eight slices: median at most {_REPAIR_MS:g} ms"
        yield Verdict(target, f"{worst['median_ms']:.1f} ms at worst ({where})", worst["median_ms"] <= _REPAIR_MS)
    for lookahead, most in _WHOLE_MS.items():
        worst = max(
            select(rows, measure="damaged picture", lookahead=lookahead), key=lambda row: row["median_ms"], default=None
        )
        if worst is not None:
            where = combination_title(worst["codec"], worst["structure"])
            target = f"all that a damaged 720p picture costs, look-ahead {lookahead}: median at most {most:g} ms"
            yield Verdict(target, f"{worst['median_ms']:.1f} ms at worst ({where})", worst["median_ms"] <= most)
    for height, most in _LARGE_MS.items():
        worst = max(select(rows, measure="large hole", height=height), key=lambda row: row["median_ms"], default=None)
        if worst is not None:
            where = combination_title(worst["codec"], worst["structure"])
            target = (
                f"all that a {height}p picture costs of whose only slice next to nothing arrived: median {most:g} ms"
            )
            yield Verdict(target, f"{worst['median_ms']:.1f} ms at worst ({where})", worst["median_ms"] <= most)
    worst = max(select(rows, measure="stand-in"), key=lambda row: row["median_ms"], default=None)
    if worst is not None:
        target = f"a 720p stand-in slice with motion: median at most {_STANDIN_MS:g} ms"
        where = CODEC_NAMES[worst["codec"]]
        yield Verdict(target, f"{worst['median_ms']:.1f} ms at worst ({where})", worst["median_ms"] <= _STANDIN_MS)
    memory = select(rows, measure="memory")
    if memory:
        peak = max(row["peak_mb"] for row in memory)
        yield Verdict(f"peak memory at 1080p: at most {_MEMORY_MB:g} MB", f"{peak:.0f} MB", peak <= _MEMORY_MB)
        growth = max(_growths(memory), default=None)
        if growth is not None:
            measured = f"{growth:.2f} times at four times the length"
            yield Verdict("peak memory does not grow with length", measured, growth <= _GROWTH)


def _faces(rows: Sequence[Row]) -> Iterator[Verdict]:
    cells = faces_cells(rows)
    if not cells:
        return
    gains = {cell: auto - motion for cell, (motion, auto, _) in cells.items()}
    worst = min(gains, key=lambda cell: gains[cell])
    measured = f"{gains[worst]:+.2f} dB ({', '.join(worst)})"
    yield Verdict("talking heads: auto on no clip more than 0.05 dB below motion", measured, gains[worst] >= -0.05)
    first = {clip: gain for (clip, damage), gain in gains.items() if damage == "first picture"}
    better = sum(gain > 0 for gain in first.values())
    measured = f"{sum(first.values()) / len(first):+.2f} dB; above on {better} of {len(first)} clips"
    yield Verdict("talking heads, no reference: auto above motion", measured, better == len(first))
    faces = {clip: gain for (clip, damage), gain in gains.items() if damage == "first picture, on the face"}
    if faces:
        average, lowest = sum(faces.values()) / len(faces), min(faces, key=lambda clip: faces[clip])
        measured = f"{average:+.2f} dB; lowest {faces[lowest]:+.2f} ({lowest})"
        yield Verdict(
            "the same on the face: at least +0.5 dB in the mean, never below",
            measured,
            average >= 0.5 and faces[lowest] >= 0,
        )


def _engines(rows: Sequence[Row]) -> Iterator[Verdict]:
    networks = select(rows, measure="network")
    for kinds, limit in ((("fp32",), 1e-3), (("fp16", "bf16"), 2e-2)):
        worst = max((r for r in networks if r["precision"] in kinds), key=lambda row: row["difference"], default=None)
        if worst is not None:
            target = f"any backend to PyTorch fp32 in {' or '.join(kinds)}: below {limit:g} relative"
            where = f"{worst['network']}, {worst['backend']} {worst['precision']}"
            yield Verdict(target, f"{worst['difference']:.1e} at worst ({where})", worst["difference"] < limit)
    for network in dict.fromkeys(row["network"] for row in networks):
        eager = {r["bucket"]: r for r in select(networks, network=network, backend="torch", mode="eager")}
        ours = {r["bucket"]: r for r in select(networks, network=network, backend="openvino")}
        if "128" in network and 1 in eager and 1 in ours:
            ratios = {b: [eager[b][n] / ours[b][n] for n in ("best_ms", "p50_ms")] for b in eager if b in ours}
            told = [
                f"batch {b}: {best:.1f} times (best calls), {median:.1f} (medians)"
                for b, (best, median) in ratios.items()
            ]
            target = f"{network}: OpenVINO at least 2 times as fast as PyTorch eager"
            yield Verdict(target, "; ".join(told), min(ratios[1]) >= 2.0)
    live = [r for r in select(rows, measure="stream") if r["deadline_ms"] and r["height"] == 720 and r["repairs"]]
    auto = select(live, method="auto")
    worst = max(auto, key=lambda row: row["repair_p99_ms"], default=None)
    if worst is not None:
        lost = sum(row["pictures_in"] - row["pictures_out"] for row in live)
        target = "720p, deadline 33 ms, auto: p99 of a picture's repair below 33 ms, no picture lost"
        measured = f"{worst['repair_p99_ms']:.1f} ms at worst ({100 * worst['rate']:g} % loss); {lost} lost"
        yield Verdict(target, measured, worst["repair_p99_ms"] < 33.0 and lost == 0)


def _real(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in real_verdicts(rows):
        yield Verdict(target, measured, met)


def _interlaced(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in interlaced_verdicts(rows):
        yield Verdict(target, measured, met)


def _interlaced_splice(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in interlaced_splice_verdicts(rows):
        yield Verdict(target, measured, met)


def _containers(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in container_verdicts(rows):
        yield Verdict(target, measured, met)


def _long_file(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in long_verdicts(rows):
        yield Verdict(target, measured, met)


def _conformance(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in conformance_verdicts(rows):
        yield Verdict(target, measured, met)


def _fuzz(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in fuzz_verdicts(rows):
        yield Verdict(target, measured, met)


def _archive(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in archive_verdicts(rows):
        yield Verdict(target, measured, met)


def _check(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in check_verdicts(rows):
        yield Verdict(target, measured, met)


def _splice(rows: Sequence[Row]) -> Iterator[Verdict]:
    for target, measured, met in splice_verdicts(rows):
        yield Verdict(target, measured, met)


def _growths(memory: Sequence[Row]) -> Iterator[float]:
    for _, _, part in combinations(memory):
        by_length = sorted(part, key=lambda row: row["length"])
        if len(by_length) > 1:
            yield by_length[-1]["peak_mb"] / by_length[0]["peak_mb"]
