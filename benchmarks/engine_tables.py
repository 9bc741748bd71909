"""Tables of benchmarks/results/engines.json."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import distinct, markdown, number, select

ENGINES_HEAD = """\
Networks alone: one call with arrays in host memory, copying in and out included; backends take turns, each alone. \
The difference is the largest one over the largest value. Streams: H.264 IPPP in eight slices, slices lost \
independently, the first picture spared, access units decoded one at a time; from an access unit's payload to its \
repaired picture (what an encoder behind it would get). *Whole*: access units without damage."""


def engine_tables(rows: Sequence[Row]) -> list[str]:
    """Networks by backend, and streams by method; those that were measured."""
    tables = []
    networks = select(rows, measure="network")
    if networks:
        tables += ["### Networks", network_table(networks)]
    for deadline in dict.fromkeys(row["deadline_ms"] for row in select(rows, measure="stream")):
        part = [row for row in select(rows, measure="stream") if row["deadline_ms"] == deadline]
        tables += [f"### Streams, {f'deadline {deadline:g} ms' if deadline else 'no deadline'}", stream_table(part)]
    return tables


def network_table(rows: Sequence[Row]) -> str:
    """Milliseconds per call by batch, and the difference to PyTorch."""
    head = [
        "network",
        "backend",
        "precision",
        "batch",
        "best, ms",
        "p50, ms",
        "p95, ms",
        "p99, ms",
        "difference to PyTorch fp32",
    ]
    lines = []
    for row in rows:
        name = f"{row['network']} ({row['weights']})"
        where = f"{row['backend']} {row['mode']}".strip()
        times = [number(row[f"{p}_ms"]) for p in ("best", "p50", "p95", "p99")]
        lines.append([name, where, row["precision"], str(row["bucket"]), *times, f"{row['difference']:.1e}"])
    return markdown(head, lines)


def stream_table(rows: Sequence[Row]) -> str:
    """Per clip, rate and method: access units with a repair, those without, what was used."""
    head = ["stream", "slice loss", "method", "repair p50 / p95 / p99, ms", "hit access unit p50 / p95 / p99, ms"]
    head += ["whole one p50 / p99, ms", "pictures out / in", "hole PSNR, dB", "used"]
    lines = []
    for clip in distinct(rows, "clip"):
        for row in sorted(select(rows, clip=clip), key=lambda row: row["rate"]):
            used = ", ".join(f"{name} {count}" for name, count in sorted(row["used"].items()))
            lines.append(
                [
                    f"{clip} {row['width']}x{row['height']}",
                    f"{100 * row['rate']:g} %",
                    row["method"] + (f" ({row['backend']})" if row["backend"] else ""),
                    " / ".join(number(row.get(f"repair_{p}_ms"), 1) for p in ("p50", "p95", "p99")),
                    " / ".join(number(row.get(f"hit_{p}_ms"), 1) for p in ("p50", "p95", "p99")),
                    " / ".join(number(row.get(f"whole_{p}_ms"), 1) for p in ("p50", "p99")),
                    f"{row['pictures_out']} / {row['pictures_in']}",
                    number(row["hole_psnr"]),
                    used,
                ]
            )
    return markdown(head, lines)


FACES_HEAD = """\
Hole PSNR in dB on talking heads, H.264 IPPP in eight slices. *First picture*: each of its slices but the first lost, \
and any two neighbours, mean over these; there is nothing to predict from, so that `motion` fills spatially. `auto` \
has the best network of the zoo beside it."""


def face_table(rows: Sequence[Row]) -> str:
    """`auto` with a network against `motion`, by clip and damage."""
    lines = []
    for clip, damage in faces_cells(rows):
        motion, auto, helped = faces_cells(rows)[clip, damage]
        lines.append([clip, damage, number(motion), number(auto), f"{auto - motion:+.2f}", str(helped)])
    return markdown(["clip", "damage", "motion", "auto", "difference", "pictures the network has a share in"], lines)


def faces_cells(rows: Sequence[Row]) -> dict[tuple[str, str], tuple[float, float, int]]:
    """(hole PSNR of motion, of auto, pictures the network had a share in) by clip and damage, means over seeds."""
    cells = {}
    for clip in distinct(rows, "clip"):
        for damage in distinct(rows, "damage"):
            pair = [select(rows, clip=clip, damage=damage, method=method) for method in ("motion", "auto")]
            if not all(pair):
                continue
            motion, auto = (sum(row["hole_psnr"] for row in part) / len(part) for part in pair)
            helped = sum(row["used"].get("with a share of the network", 0) for row in pair[1])
            cells[clip, damage] = motion, auto, helped
    return cells
