"""A child process: streams of one slice a picture, as cameras send them, over loopback RTP with loss.

python -m tests.pipelines.gst.one_slice CODEC RATE SEED...   # a JSON line for each seed
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, cast

import numpy as np

from benchmarks.rtp import send_lossy, send_udp
from concealer.bitstream import Codec, StreamParser, join_annexb
from tests.media import clip, encode_bytes
from tests.pipelines.gst.running import ENCODING, run

FPS = 50
PICTURES = 60


def _units(codec: Codec) -> list[tuple[bytes, int]]:
    data = encode_bytes(clip(PICTURES, 352, 288), codec, slices=1, gop=30, crf=20, fps=FPS)
    parser = StreamParser(codec)
    return [(join_annexb(unit.nals), n) for n, unit in enumerate([*parser.push(data), *parser.flush()])]


def _receive(codec: Codec, units: list[tuple[bytes, int]], rate: float, seed: int) -> dict[str, Any]:
    from pipelines.gst.bindings import Gst

    sendings = send_lossy(units, codec, FPS, rate=rate, seed=seed, mtu=300)
    caps = f"application/x-rtp,media=video,clock-rate=90000,encoding-name={ENCODING[codec]},payload=96"
    udp = f"udpsrc name=udp port=0 address=127.0.0.1 buffer-size=1000000 caps={caps}"

    def feed(pipeline: Any) -> None:
        pipeline.get_state(Gst.SECOND)
        source = pipeline.get_by_name("udp")
        send_udp(sendings, source.get_property("port"), FPS)
        time.sleep(0.3)
        source.send_event(Gst.Event.new_eos())

    result = run(f"{udp} ! concealbin name=dec latency=100 ! appsink name=out", feed, seconds=30)
    times = np.array([out.pts for out in result.buffers])
    return {
        "seed": seed,
        "errors": result.errors,
        "access_units": len(sendings),
        "positions": np.round((times - times[:1]) * FPS / 1e9).astype(int).tolist(),
        "lost": sum(sending.lost for sending in sendings),
        "seen": result.stats["packets-lost"],
        "first_fragments": sum(_first_is_gone(sending.packets, codec) for sending in sendings if sending.lost),
    }


def _first_is_gone(packets: list[bytes], codec: Codec) -> bool:
    """The first packet that is left of an access unit continues a fragmented unit."""
    if not packets:
        return True
    payload = packets[0][12:]
    if codec == "h264":
        return payload[0] & 31 == 28 and not payload[1] & 0x80
    return payload[0] >> 1 & 63 == 49 and not payload[2] & 0x80


def main() -> None:
    from pipelines.gst.register import register

    register()
    codec, rate, *seeds = sys.argv[1:]
    units = _units(cast(Codec, codec))
    for seed in seeds:
        print(json.dumps(_receive(cast(Codec, codec), units, float(rate), int(seed))), flush=True)


if __name__ == "__main__":
    main()
