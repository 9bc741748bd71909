"""Properties that `concealdec` and `concealbin` share."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from concealer.front_door import LIVE_DEADLINE_MS
from concealer.repair import METHODS, Method
from pipelines.errors import UsageError
from pipelines.generative import ENGINES, check_network
from pipelines.gst.bindings import GObject, Gst
from pipelines.on_damage import ON_DAMAGE, OnDamage
from pipelines.outage import HOLD

_MOST_THREADS = 16
CORRUPTED = ("never", "unrepaired", "damaged")


@dataclass
class Options:
    """Values of the properties, under their names with underscores."""

    method: Method = "auto"
    engine: str = "auto"
    network: str = "auto"
    on_damage: OnDamage = "conceal"
    min_confidence: float = 1.0
    outage: str = ""
    deadline_ms: float = LIVE_DEADLINE_MS
    max_threads: int = 1
    mark_corrupted: str = "unrepaired"
    keyframe_request_share: float = 0.5
    automatic_request_sync_points: bool = True
    min_force_key_unit_interval: int = 1_000_000_000
    discard_corrupted_frames: bool = False
    regions: bool = True
    overlay: bool = False
    track_taint: bool = False
    stats_interval: int = 1000
    metrics: str = ""
    qos: bool = True

    @property
    def decoder_threads(self) -> int:
        """Slice threads; `max_threads` 0 is one for each core."""
        return min(self.max_threads or os.cpu_count() or 1, _MOST_THREADS)

    def set(self, name: str, value: str | int | float | bool) -> None:
        """Take over a property. Raises ValueError for a word it does not know."""
        allowed = {"method": METHODS, "engine": ENGINES, "on_damage": ON_DAMAGE, "mark_corrupted": CORRUPTED}.get(name)
        if allowed is not None and value not in allowed:
            raise ValueError(f"{name.replace('_', '-')} must be one of {', '.join(allowed)}; got {value!r}")
        if name == "network":
            try:
                check_network(str(value), "auto")
            except UsageError as error:
                raise ValueError(str(error)) from error
        if name == "outage" and value not in ("", HOLD) and not os.path.isfile(str(value)):
            raise ValueError(f"outage must be {HOLD} or the file of a picture; got {value!r}")
        setattr(self, name, value)


_PLAYING = GObject.ParamFlags.READWRITE | Gst.PARAM_MUTABLE_PLAYING
_READY = GObject.ParamFlags.READWRITE | Gst.PARAM_MUTABLE_READY
_DEFAULT = Options()

PROPERTIES: dict[str, tuple[object, ...]] = {
    "method": (
        str,
        "Method",
        "How holes are repaired. auto: what fits the received surroundings best, motion: motion-compensated from "
        "the pictures before and after, generative: by a network wherever it can (auto where there is none), spatial: "
        "from the picture's own surroundings, copy: from the same place of the picture before. Takes effect with the "
        "next access unit.",
        _DEFAULT.method,
        _PLAYING,
    ),
    "engine": (
        str,
        "Engine",
        "What runs the network of the methods auto and generative: auto (the fastest here), openvino, onnxruntime, "
        "tensorrt or torch. It is compiled while the stream already runs, and used within the deadline.",
        _DEFAULT.engine,
        _READY,
    ),
    "network": (
        str,
        "Network",
        "The generative network by its name in the zoo (conceal-engines list); auto: the one that did best on held-out "
        "pictures.",
        _DEFAULT.network,
        _READY,
    ),
    "on-damage": (
        str,
        "On damage",
        "What is shown in place of a damaged picture, of one predicted from damage (see min-confidence), and of a "
        "stream joined in its middle until its pictures have what they are predicted from. conceal: the pictures as "
        "repaired, at a join as they come, flagged corrupted; hold: the last good picture, nothing if there was none; "
        "drop: nothing. With hold and drop a keyframe is asked for until there is a good picture. Nothing is ever made "
        "up before the first picture.",
        _DEFAULT.on_damage,
        _PLAYING,
    ),
    "min-confidence": (
        float,
        "Least confidence",
        "With on-damage=hold and drop: pictures of at least this confidence are shown all the same. Confidence is the "
        "probability that a picture comes within 1 dB of 30 dB PSNR-Y, or above, against the undamaged one. 1: only "
        "pictures that no damage touches; 0: all but those that lack what they are predicted from.",
        0.0,
        1.0,
        _DEFAULT.min_confidence,
        _PLAYING,
    ),
    "outage": (
        str,
        "Outage",
        "What is shown while a live stream says nothing for half a second or more: hold, the last good picture, or the "
        "file of a picture (a slate); time goes on. When the stream is back its first picture that lacks nothing ends "
        "it, and a keyframe is asked for. Empty: nothing is shown.",
        _DEFAULT.outage,
        _READY,
    ),
    "deadline-ms": (
        float,
        "Deadline",
        "Milliseconds from an access unit's arrival to the end of its repair (0 = no bound). What decoding leaves "
        "of it is for repair: where the richest way would take longer a cheaper one is taken; no picture is "
        "dropped. Part of the latency that the element reports.",
        0.0,
        10_000.0,
        _DEFAULT.deadline_ms,
        _PLAYING,
    ),
    "max-threads": (
        int,
        "Threads",
        "Slice threads for decoding HEVC (0 = one per core): faster where the stream has wavefronts, but what is "
        "decoded of a damaged picture then depends on chance, and less of its damage is found. H.264 always "
        "decodes on one thread: its decoder conceals "
        "nothing under slice threads, and frame threads would come too late for repair.",
        0,
        64,
        _DEFAULT.max_threads,
        _READY,
    ),
    "mark-corrupted": (
        str,
        "Mark corrupted",
        "Which buffers get GST_BUFFER_FLAG_CORRUPTED. never; unrepaired: with lost or broken blocks that stayed as the "
        "decoder left them, or without what they are predicted from; damaged: with any lost, broken or tainted block, "
        "repaired or not.",
        _DEFAULT.mark_corrupted,
        _PLAYING,
    ),
    "keyframe-request-share": (
        float,
        "Keyframe request",
        "Share of the blocks of one picture that must be lost or broken, and poorly repaired, for a keyframe to be "
        "asked for (0 = never for that reason).",
        0.0,
        1.0,
        _DEFAULT.keyframe_request_share,
        _PLAYING,
    ),
    "discard-corrupted-frames": (
        bool,
        "Discard corrupted",
        "Leave out pictures that would be flagged corrupted (mark-corrupted).",
        _DEFAULT.discard_corrupted_frames,
        _PLAYING,
    ),
    "automatic-request-sync-points": (
        bool,
        "Request keyframes",
        "Send force-key-unit events upstream (RTCP PLI, where there is a session): once where the stream is joined "
        "without a keyframe, and where much of a picture is missing and poorly repaired (keyframe-request-share). "
        "None is sent while one is on its way.",
        _DEFAULT.automatic_request_sync_points,
        _PLAYING,
    ),
    "min-force-key-unit-interval": (
        GObject.TYPE_UINT64,
        "Keyframe request interval",
        "Nanoseconds between two force-key-unit events at least.",
        0,
        2**64 - 1,
        _DEFAULT.min_force_key_unit_interval,
        _PLAYING,
    ),
    "regions": (
        bool,
        "Regions",
        "Attach a region-of-interest meta of type concealer/repaired (concealer/damaged where it stayed) for every "
        "connected hole.",
        _DEFAULT.regions,
        _PLAYING,
    ),
    "overlay": (
        bool,
        "Overlay",
        "Draw outlines into the output: red lost, orange broken, yellow tainted (with track-taint), green around what "
        "was repaired. What later pictures are predicted from stays untouched.",
        _DEFAULT.overlay,
        _PLAYING,
    ),
    "track-taint": (
        bool,
        "Track taint",
        "Find the blocks predicted from damaged ones, with a second decoder while there is damage: halves the speed "
        "then.",
        _DEFAULT.track_taint,
        _READY,
    ),
    "stats-interval": (
        int,
        "Statistics interval",
        "Milliseconds between element messages named concealer-stats on the bus, with the fields of the stats property "
        "(0 = none but the one at the end of the stream).",
        0,
        3_600_000,
        _DEFAULT.stats_interval,
        _PLAYING,
    ),
    "metrics": (
        str,
        "Metrics",
        "ADDR:PORT to serve the counts at, for Prometheus (/metrics, /healthz); :PORT serves this machine only. "
        "Elements of a process may share one. Needs prometheus-client.",
        _DEFAULT.metrics,
        _READY,
    ),
    "qos": (
        bool,
        "QoS",
        "Spend less on repair while downstream reports that pictures come late. No picture is dropped.",
        _DEFAULT.qos,
        _PLAYING,
    ),
}

STATS: tuple[object, ...] = (
    Gst.Structure,
    "Statistics",
    "Structure concealer-stats: pictures out, damaged, repaired, made-up (the stream held nothing of them), "
    "without-references, held and dropped (see on-damage); "
    "blocks of 16x16 lost, broken, tainted; RTP packets lost; restarts of the sender; keyframe requests; access "
    "units that missed the deadline; repairs by method; milliseconds of repair, of processing an access unit, and from "
    "an access unit's arrival to its picture (latency), over the latest 900 pictures.",
    GObject.ParamFlags.READABLE,
)
"""The property `stats`."""

assert {name.replace("-", "_") for name in PROPERTIES} == {f.name for f in fields(Options)}
