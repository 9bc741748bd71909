"""Live streams as Markdown tables: events, the healing proxy, several cameras, the soak."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, STRUCTURE_NAMES, markdown, number

EVENTS_HEAD = """\
Two GOPs of 30 pictures, one slice a picture, 640x360, over RTP without a loss but what the event is; joins begin ten \
pictures into a GOP. Of what is joined nothing is shown before a picture is of use. *First clean*: access units after \
the event's first one until one is not flagged corrupted. x265 announces no recovery point for its intra refresh, so \
nothing is clean there before the next intra picture, or 600 pictures, and of these 50 nothing is of use. The old \
size, or the old sender, ends with all its pictures shown."""

ONE_SLICE_HEAD = """\
One slice a picture and an IDR picture every two seconds, as cameras send it, in RTP packets over a loopback with \
jitter (4 ms in the mean, 30 ms at most), packets overtaken by later ones, 1 % of them twice, and losses of single \
packets. PSNR-Y of the mean of squared errors, by `concealbin` and by stock decoders behind the same losses, whose \
last picture stands where they put out none. *Missed*: packets that the jitter buffer did not have in time, lost or \
late, and how many the decoder's statistics tell of. Delay: from an access unit's arrival at the decoder to its \
picture. `motion`: the same with the method given instead of chosen."""

SPLICE_HEAD = """\
`conceal --splice udp://… udp://…` in real time: MPEG-TS in datagrams of seven packets, 3 % of them lost, the first \
second whole. *Touched*: NAL units that arrived whole and did not leave as they came. PSNR-Y, of the mean of squared \
errors: what the decoder of `concealdec` makes of what arrived, what stock FFmpeg makes of what left, and by how much \
that is better. Delay: from the last byte of an access unit \
in to its last byte out."""

CAMERAS_HEAD = """\
One pipeline a camera (`udpsrc ! concealbin`), 640x360, one slice a picture, 30 pictures/s, 3 % of the RTP packets \
lost. Cores and memory are those of all processes together; delay from an access unit's arrival at the decoder to its \
picture."""

SOAK_HEAD = """\
A sender in a process of its own loses packets and begins anew every 20 s, with another SSRC, sequence number and \
timestamp; once a minute nothing arrives for two seconds. *Told*: by the receiver's metrics endpoint at the end. \
Delay: 95th percentile of ten seconds each. `make soak` does it every night and fails where something grew."""


def events_table(rows: Sequence[Row]) -> str:
    """One line an event."""
    head = ["event", "stream", "access units", "pictures", "flagged", "made up", "keyframe requests", "restarts"]
    lines = []
    for row in rows:
        stream = f"{CODEC_NAMES[row['codec']]} {STRUCTURE_NAMES[row['structure']]}"
        counts = ("access_units", "pictures", "flagged", "made_up", "keyframe_requests", "restarts")
        clean = "-" if row["first_clean"] is None else str(row["first_clean"])
        lines.append([row["event"], stream, *(str(row[name]) for name in counts), clean])
    return markdown([*head, "first clean"], lines)


def live_splice_table(rows: Sequence[Row]) -> str:
    """One line a run."""
    head = [
        "stream",
        "access units",
        "hit",
        "out",
        "NAL units received",
        "touched",
        "concealdec",
        "spliced, stock",
        "difference",
    ]
    lines = []
    for row in rows:
        delay = " / ".join(number(row[f"delay_{name}_ms"], 1) for name in ("p50", "p95", "p99"))
        names = ("access_units", "access_units_hit", "access_units_out", "nal_units_received", "nal_units_missing")
        lines.append(
            [
                f"{CODEC_NAMES[row['codec']]}, {row['height']}p, {row['slices']} slices",
                *(str(row[name]) for name in names),
                number(row["psnr_concealdec"]),
                number(row["psnr_spliced"]),
                f"{row['psnr_spliced'] - row['psnr_concealdec']:+.2f}",
                delay,
                number(row["load_before"], 1),
            ]
        )
    return markdown([*head, "delay added, median / p95 / p99, ms", "load before"], lines)


def one_slice_table(rows: Sequence[Row]) -> str:
    """One line a run; the stock decoders' figures are those of the run with method auto."""
    stock = sorted({name for row in rows for name in row if name.startswith("psnr_")})
    head = ["stream", "loss", "seed", "method", "access units", "hit"]
    head += ["packets lost", "missed / told", "pictures out", "once, in order", "PSNR-Y"]
    lines = []
    for row in sorted(rows, key=lambda row: (row["height"], row["codec"], row["seed"], row["loss"])):
        delay = " / ".join(number(row[f"delay_{name}_ms"], 1) for name in ("p50", "p95", "p99"))
        lines.append(
            [
                f"{CODEC_NAMES[row['codec']]}, {row['height']}p",
                f"{row['loss']:.0%}",
                *(str(row[name]) for name in ("seed", "method", "access_units", "access_units_hit", "packets_lost")),
                f"{row['packets_missed']} / {row['packets_lost_seen']}",
                str(row["pictures_out"]),
                "yes" if row["once_in_order"] else "**no**",
                number(row["psnr"]),
                *(number(row[name]) if name in row else "" for name in stock),
                delay,
                number(row["load_before"], 1),
            ]
        )
    names = [f"`{name.removeprefix('psnr_')}`" for name in stock]
    return markdown([*head, *names, "delay added, median / p95 / p99, ms", "load before"], lines)


def cameras_table(rows: Sequence[Row]) -> str:
    """One line a run."""
    head = ["pipelines", "processes", "pictures each", "cores", "memory, MB", "delay p50 / p95 / p99, ms", "late"]
    lines = []
    for row in rows:
        delay = " / ".join(number(row[f"delay_{name}_ms"], 1) for name in ("p50", "p95", "p99"))
        pictures = f"{row['pictures_least']} of {row['access_units']}"
        values = [str(row["pipelines"]), str(row["processes"]), pictures, number(row["cores"])]
        late = str(row["deadline_missed"])
        lines.append([*values, number(row["memory_mb"], 0), delay, late, number(row["load_before"], 1)])
    return markdown([*head, "load before"], lines)


def soak_table(rows: Sequence[Row]) -> str:
    """One line a figure."""
    lines = []
    for row in rows:
        title = f"{CODEC_NAMES[row['codec']]}, {row['minutes']:g} minutes"
        for name in ("restarts", "access_units", "packets_lost", "access_units_hit"):
            words = name.replace("_", " ")
            lines.append([f"{title}: {words}, sent / told", f"{row[name]} / {row[f'{name}_told']}", "", ""])
        for name, words in (
            ("memory_mb", "memory, MB"),
            ("threads", "threads"),
            ("descriptors", "descriptors"),
            ("delay_ms", "delay, ms"),
        ):
            figures = [number(row[f"{name}_{when}"], 1) for when in ("first_third", "last_third", "most")]
            lines.append([f"{title}: {words}", *figures])
    return markdown(["", "first third", "last third", "most"], lines)


def live_tables(results: dict[str, list[Row]]) -> list[tuple[str, str, str, str]]:
    """(name of the results, heading, words, table) of those that there are."""
    one_slice = [row for row in results.get("live", ()) if row["measure"] == "one-slice"]
    if one_slice:
        results = results | {"live": one_slice}
    else:
        results = {name: rows for name, rows in results.items() if name != "live"}
    known = (
        ("live", "A camera on a lossy wire", ONE_SLICE_HEAD, one_slice_table),
        ("live_events", "What happens to a live stream", EVENTS_HEAD, events_table),
        ("live_splice", "A live stream healed", SPLICE_HEAD, live_splice_table),
        ("cameras", "Several cameras", CAMERAS_HEAD, cameras_table),
        ("soak", "Hours of restarts and outages", SOAK_HEAD, soak_table),
    )
    return [(name, title, words, table(results[name])) for name, title, words, table in known if name in results]
