"""Rows of results as Markdown tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean

from benchmarks.clips import CLIPS
from benchmarks.methods import METHODS
from benchmarks.store import Row
from benchmarks.streams import COMBINATIONS

AHEAD = ("ahead_1", "ahead_2", "ahead_3")
"""Methods with a look-ahead; they have their own table."""
WHOLE = ("picture", "idr")
"""Loss models of whole access units; they have their own table."""
CODEC_NAMES = {"h264": "H.264", "hevc": "HEVC"}
STRUCTURE_NAMES = {"P": "IPPP", "B": "with B-pictures"}


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is left-aligned, the others right-aligned."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of what is there; None if nothing is."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def number(value: float | None, digits: int = 2) -> str:
    """Fixed point, "-" for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def distinct(rows: Sequence[Row], name: str) -> list[str]:
    """Values of a field in order of appearance."""
    return list(dict.fromkeys(str(row[name]) for row in rows))


def clips_of(rows: Sequence[Row]) -> list[str]:
    """Names of clips, in the order of `CLIPS`."""
    order = {clip.name: place for place, clip in enumerate(CLIPS)}
    return sorted(distinct(rows, "clip"), key=lambda name: order.get(name, len(order)))


def select(rows: Sequence[Row], **fields: object) -> list[Row]:
    """Rows whose fields have these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in fields.items())]


def over_clips(rows: Sequence[Row], name: str) -> float | None:
    """Mean over seeds within each clip, then over clips: every clip counts the same."""
    return mean([mean([row.get(name) for row in select(rows, clip=clip)]) for clip in clips_of(rows)])


def present_methods(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(name, title) of the methods that occur, in the order of `METHODS`."""
    have = {row["method"] for row in rows}
    return [(method.name, method.title) for method in METHODS if method.name in have]


def combinations(rows: Sequence[Row]) -> list[tuple[str, str, list[Row]]]:
    """(codec, structure, its rows) for those that occur."""
    found = [(codec, structure, select(rows, codec=codec, structure=structure)) for codec, structure in COMBINATIONS]
    return [entry for entry in found if entry[2]]


def combination_title(codec: str, structure: str) -> str:
    """ "H.264 IPPP"."""
    return f"{CODEC_NAMES[codec]} {STRUCTURE_NAMES[structure]}"


def psnr_table(rows: Sequence[Row]) -> str:
    """Clips x methods: sequence PSNR / hole PSNR, means over seeds; the last row is the mean over clips."""
    methods = present_methods(rows)
    lines = []
    for clip in clips_of(rows):
        part = select(rows, clip=clip)
        lines.append([clip, *(_pair(select(part, method=name), over_clips) for name, _ in methods)])
    lines.append(["**mean**", *(f"**{_pair(select(rows, method=name), over_clips)}**" for name, _ in methods)])
    return markdown(["clip", *(title for _, title in methods)], lines)


def _pair(rows: Sequence[Row], average: Callable[[Sequence[Row], str], float | None]) -> str:
    return f"{number(average(rows, 'psnr'))} / {number(average(rows, 'hole_psnr'))}"


def summary_table(rows: Sequence[Row]) -> str:
    """Methods x metrics, means over clips; pictures are sums."""
    lines = []
    for name, title in present_methods(rows):
        part = select(rows, method=name)
        lines.append(
            [
                title,
                number(over_clips(part, "psnr")),
                number(over_clips(part, "hole_psnr")),
                number(over_clips(part, "later_psnr")),
                number(over_clips(part, "ssim"), 4),
                f"{sum(row['pictures_out'] for row in part)} / {sum(row['pictures_in'] for row in part)}",
                str(sum(row.get("frozen") or 0 for row in part)),
            ]
        )
    head = ["method", "sequence PSNR", "hole PSNR", "later PSNR", "SSIM", "pictures out / in", "frozen"]
    return markdown(head, lines)


def model_table(rows: Sequence[Row]) -> str:
    """Loss models x pictures, all codecs and structures together; sequence PSNR concealer / FFmpeg by combination."""
    pairs = [(codec, structure) for codec, structure, _ in combinations(rows)]
    head = ["loss", "sent / arrived", "out, concealer", "out, FFmpeg"]
    head += [combination_title(c, s) for c, s in pairs]
    titles = dict.fromkeys((row["model"], row["rate"], row["detail"]) for row in rows)
    lines = []
    for model, rate, detail in titles:
        part = select(rows, model=model, rate=rate, detail=detail)
        ours, theirs = select(part, method="concealer"), select(part, method="ffmpeg")
        line = [loss_title(model, rate, detail), f"{_sum(ours, 'pictures_in')} / {_sum(ours, 'pictures_arrived')}"]
        line += [str(_sum(some, "pictures_out")) for some in (ours, theirs)]
        for codec, structure in pairs:
            here = [select(some, codec=codec, structure=structure) for some in (ours, theirs)]
            line.append(" / ".join(number(over_clips(some, "psnr"), 1) for some in here))
        lines.append(line)
    return markdown(head, lines)


def lookahead_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows of concealer with every look-ahead, of the streams for which there are all."""
    return complete(rows, ("concealer", *AHEAD))


def complete(rows: Sequence[Row], methods: Sequence[str]) -> list[Row]:
    """Rows of `methods`, of the streams that were played by all of them."""
    streams: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if row["method"] in methods:
            key = tuple(row.get(name) for name in ("clip", "codec", "structure", "settings", "model", "rate", "seed"))
            streams.setdefault(key, []).append(row)
    return [row for group in streams.values() if len(group) == len(methods) for row in group]


def lookahead_table(rows: Sequence[Row]) -> str:
    """Look-ahead x codec and structure, means over clips; the last column is the mean over all."""
    parts = combinations(rows)
    lines = []
    for name, title in present_methods(rows):
        cells = [_pair(select(part, method=name), over_clips) for _, _, part in parts]
        every = [
            [over_clips(select(part, method=name), what) for _, _, part in parts] for what in ("psnr", "hole_psnr")
        ]
        lines.append([title, *cells, " / ".join(number(mean(values)) for values in every)])
    return markdown(["", *(combination_title(codec, structure) for codec, structure, _ in parts), "mean"], lines)


def whole_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows of lost pictures and IDR pictures, of the streams that all compared methods played."""
    lost = [row for row in rows if row["model"] in WHOLE]
    return complete(lost, ("ffmpeg", "freeze", "concealer", "ahead_2"))


def whole_table(rows: Sequence[Row]) -> str:
    """Kind of loss and combination x methods."""
    methods = present_methods(rows)
    lines = []
    for model in distinct(rows, "model"):
        for codec, structure, part in combinations(select(rows, model=model)):
            lowest = least_above(part)
            cells = [_pair(select(part, method=name), over_clips) for name, _ in methods]
            ours = select(part, method="concealer")
            counts = f"{_sum(ours, 'pictures_out')} / {_sum(ours, 'pictures_in')}"
            lines.append(
                [
                    f"{model}, {combination_title(codec, structure)}",
                    *cells,
                    "-" if lowest is None else f"{lowest[1]:+.2f} ({lowest[0]})",
                    counts,
                ]
            )
    return markdown(["", *(title for _, title in methods), "lowest", "pictures out / in"], lines)


def least_above(rows: Sequence[Row], method: str = "concealer") -> tuple[str, float] | None:
    """(clip, dB): where `method` is least above the better of FFmpeg and freeze; None if neither was measured."""
    margins = {}
    for clip in clips_of(rows):
        ours, *theirs = (
            over_clips(select(rows, clip=clip, method=name), "psnr") for name in (method, "ffmpeg", "freeze")
        )
        known = [value for value in theirs if value is not None]
        if ours is not None and known:
            margins[clip] = ours - max(known)
    return min(margins.items(), key=lambda entry: entry[1], default=None)


def loss_title(model: str, rate: float, detail: str) -> str:
    """ "slice 3 %"."""
    return ", ".join(filter(None, [f"{model} {100 * rate:g} %" if rate else model, detail]))


def _sum(rows: Sequence[Row], name: str) -> int:
    return sum(int(row[name]) for row in rows)


def quality_tables(rows: Sequence[Row], rate: float = 0.03) -> list[str]:
    """The main tables at one rate of slice loss, and one of the other loss models."""
    main = select(rows, model="slice", rate=rate, detail="")
    tables = []
    for codec, structure, every in combinations(main):
        part = [row for row in every if row["method"] not in AHEAD]
        seeds = ", ".join(sorted(distinct(part, "seed")))
        title = f"{CODEC_NAMES[codec]} {STRUCTURE_NAMES[structure]}, {100 * rate:g} % slice loss, seeds {seeds}"
        tables += [f"### {title}", psnr_table(part), summary_table(part)]
    compared = lookahead_rows(main)
    if compared:
        seeds = ", ".join(sorted(distinct(compared, "seed")))
        text = (
            f"Sequence PSNR / hole PSNR, {100 * rate:g} % slice loss, seeds {seeds}, clips "
            f"{', '.join(clips_of(compared))}. Each access unit of look-ahead delays every picture by one picture: at "
            "25 a second 40 ms."
        )
        tables += ["### Look-ahead", text, lookahead_table(compared)]
    whole = whole_rows(rows)
    if whole:
        text = (
            f"Sequence PSNR / hole PSNR, seeds {', '.join(sorted(distinct(whole, 'seed')))}, clips "
            f"{', '.join(clips_of(whole))}. *Lowest*: the clip where concealer is least above the better of "
            "FFmpeg and freeze, in dB of sequence PSNR. Lost IDR: an IDR (HEVC: IRAP) picture every 20, all but the "
            "first lost."
        )
        tables += ["### Lost pictures", text, whole_table(whole)]
    others = [row for row in rows if row["model"] not in ("slice", *WHOLE) or row["detail"]]
    if others:
        text = "Access units sent and arrived, pictures out; sequence PSNR of concealer / FFmpeg as shipped."
        tables += ["### Other loss models", text, model_table(others)]
    return tables


def detection_table(rows: Sequence[Row]) -> str:
    """Classes x codecs: precision and recall over all blocks of all clips and seeds together."""
    pairs = [(codec, structure) for codec, structure, _ in combinations(rows)]
    head = ["damage", *(combination_title(c, s) for c, s in pairs)]
    lines = []
    for kind in distinct(rows, "class"):
        part = [select(rows, **{"class": kind}, codec=c, structure=s) for c, s in pairs]
        lines.append([kind, *(f"{number(precision(some), 3)} / {number(recall(some), 3)}" for some in part)])
    return markdown(head, lines)


def precision(rows: Sequence[Row]) -> float | None:
    """Share of the blocks marked that are truly damaged, all rows together."""
    hit, false = (sum(row[name] for row in rows) for name in ("hit", "false"))
    return hit / (hit + false) if hit + false else None


def recall(rows: Sequence[Row]) -> float | None:
    """Share of the damaged blocks that were marked, all rows together."""
    hit, missed = (sum(row[name] for row in rows) for name in ("hit", "missed"))
    return hit / (hit + missed) if hit + missed else None


def untouched_table(rows: Sequence[Row]) -> str:
    """Samples compared outside holes and those that differ, by codec and structure."""
    lines = []
    for codec, structure, part in combinations(rows):
        sums = [sum(row[name] for row in part) for name in ("repaired_pictures", "samples", "differing")]
        lines.append([f"{CODEC_NAMES[codec]} {STRUCTURE_NAMES[structure]}", *(f"{n:,}" for n in sums)])
    return markdown(["", "repaired pictures", "samples outside holes", "differing"], lines)


def latency_tables(rows: Sequence[Row]) -> list[str]:
    """Hook, repair and memory, those that were measured."""
    kinds = {
        "hook": (
            ["threads", "PyAV, ms a picture", "with hook, ms", "ratio", "lowest to highest"],
            lambda r: [
                str(r["threads"]),
                number(r["plain_ms"]),
                number(r["hooked_ms"]),
                number(r["ratio"], 3),
                f"{number(r['ratio_low'])} - {number(r['ratio_high'])}",
            ],
        ),
        "repair": (
            ["repairs", "median, ms", "95 %, ms", "99 %, ms", "first, ms"],
            lambda r: [
                str(r["repairs"]),
                *(number(r[name], 1) for name in ("median_ms", "p95_ms", "p99_ms", "first_ms")),
            ],
        ),
        "damaged picture": (
            ["look-ahead", "damaged", "median, ms", "95 %, ms"],
            lambda r: [
                str(r["lookahead"]),
                str(r["damaged"]),
                *(number(r[name], 1) for name in ("median_ms", "p95_ms")),
            ],
        ),
        "large hole": (
            ["damaged", "median, ms", "95 %, ms"],
            lambda r: [str(r["damaged"]), *(number(r[name], 1) for name in ("median_ms", "p95_ms"))],
        ),
        "stand-in": (
            ["slices", "median, ms", "95 %, ms"],
            lambda r: [str(r["slices"]), *(number(r[name], 1) for name in ("median_ms", "p95_ms"))],
        ),
        "memory": (
            ["pictures", "peak, MB", "seconds"],
            lambda r: [str(r["length"]), number(r["peak_mb"], 0), number(r["seconds"], 1)],
        ),
    }
    tables = []
    for measure, (head, cells) in kinds.items():
        part = select(rows, measure=measure)
        if part:
            first = [
                f"{r['clip']} {r['width']}x{r['height']}, {combination_title(r['codec'], r['structure'])}" for r in part
            ]
            lines = [[title, *cells(row)] for title, row in zip(first, part, strict=True)]
            tables += [f"### {measure.capitalize()}", markdown(["stream", *head], lines)]
    return tables


def real_table(rows: Sequence[Row]) -> str:
    """Gain over the better of FFmpeg's outputs by way of damage: mean, worst stream, share of streams below."""
    ways = list(dict.fromkeys((row["way"], row["rate"]) for row in rows))
    lines = []
    for way, rate in ways:
        for codec, structure, part in combinations(select(rows, way=way, rate=rate)):
            gains = sorted((row["gain"], row["clip"], row["seed"]) for row in part)
            worst, clip, seed = gains[0]
            below = sum(gain < -0.05 for gain, _, _ in gains) / len(gains)
            lines.append(
                [
                    f"{way} {100 * rate:g} %",
                    combination_title(codec, structure),
                    str(len(part)),
                    number(mean([max(row["stock"], row["corrupt"]) for row in part]), 1),
                    number(mean([row["ours"] for row in part]), 1),
                    f"{mean([gain for gain, _, _ in gains]):+.2f}",
                    f"{worst:+.2f} ({clip}, seed {seed})",
                    f"{100 * below:.0f} %",
                ]
            )
    head = ["way", "", "streams", "FFmpeg, dB", "conceal, dB", "gain", "worst stream", "below FFmpeg"]
    return markdown(head, lines)


def peers_table(rows: Sequence[Row], own: Sequence[Row] = ()) -> str:
    """What other decoders make of the same streams, beside FFmpeg and `conceal` (`own`: rows of `benchmarks.real`)."""
    at_hand = {tuple(row[name] for name in _STREAM): row for row in own}
    kinds = dict.fromkeys((row["way"], row["rate"], row["codec"], row["element"]) for row in rows)
    lines = []
    for way, rate, codec, element in sorted(kinds):
        part = select(rows, way=way, rate=rate, codec=codec, element=element)
        ours = [one for row in part if (one := at_hand.get(tuple(row[name] for name in _STREAM)))]
        lines.append(
            [
                f"{way} {100 * rate:g} %, {CODEC_NAMES[codec]}",
                f"`{element}`",
                str(len(part)),
                number(mean([row["psnr"] for row in part]), 1),
                number(mean([max(row["stock"], row["corrupt"]) for row in ours]), 1),
                number(mean([row["ours"] for row in ours]), 1),
                f"{sum(row['pictures_out'] for row in part)} of {sum(row['pictures_in'] for row in part)}",
                ", ".join(f"{count} {how}" for how, count in Counter(row["ended"] for row in part).items()),
            ]
        )
    head = ["way", "element", "streams", "its dB", "FFmpeg, dB", "conceal, dB", "pictures", "ended"]
    return markdown(head, lines)


_STREAM = ("clip", "codec", "structure", "settings", "pictures", "way", "rate", "seed")
