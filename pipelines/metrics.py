"""Counts of running streams over HTTP: `/metrics` as Prometheus reads them, `/healthz`.

The package prometheus-client is needed for it and imported only here, when an address is asked for.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pipelines.errors import UsageError
from pipelines.statistics import LATENCY_BOUNDS, Statistics

LOCALHOST = "127.0.0.1"
_COUNTERS = {
    "pictures": "Pictures put out.",
    "damaged": "Pictures with lost or broken blocks.",
    "repaired": "Pictures whose holes were painted.",
    "made_up": "Pictures of which the stream held nothing.",
    "without_references": "Pictures that lack what they are predicted from, after a join.",
    "held": "Pictures in whose place an earlier one was shown.",
    "dropped": "Pictures left out.",
    "packets_lost": "Packets known to be lost.",
    "restarts": "Times the sender began anew.",
    "keyframe_requests": "Keyframes asked for.",
    "deadline_missed": "Access units that took longer than they may.",
}
_PICTURES = ("damaged", "repaired", "made_up", "without_references", "held", "dropped")
_BLOCKS = ("lost", "broken", "tainted")


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) of ADDR:PORT, :PORT or PORT; without a host this machine alone is served. Raises UsageError."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65535:
        raise UsageError(f"metrics address must be ADDR:PORT, got {text!r}")
    return host.strip("[]") or LOCALHOST, int(port)


class Endpoint:
    """One address that serves the streams of this process. Raises UsageError where it cannot."""

    def __init__(self, host: str, port: int) -> None:
        try:
            import prometheus_client
        except ImportError:
            raise UsageError("metrics need prometheus-client: pip install 'concealer[metrics]'") from None
        self._streams: dict[str, Statistics] = {}
        registry = prometheus_client.CollectorRegistry()
        registry.register(_Collector(self._streams))
        self._metrics = prometheus_client.make_wsgi_app(registry)
        try:
            self._server = make_server(host, port, self._answer, _Server, _Quiet)
        except OSError as error:
            raise UsageError(f"metrics cannot be served at {host}:{port}: {error.strerror or error}") from None
        self.port: int = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def add(self, name: str, statistics: Statistics) -> str:
        """Serve a stream under `name`; the name it was given, which differs if another stream has it."""
        number, unique = 1, name
        while unique in self._streams:
            number += 1
            unique = f"{name}-{number}"
        self._streams[unique] = statistics
        return unique

    def remove(self, name: str) -> bool:
        """The stream is over; whether there is none left."""
        self._streams.pop(name, None)
        return not self._streams

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in ("/metrics", "/"):
            answer: Iterable[bytes] = self._metrics(environ, start)
            return answer
        if path == "/healthz":
            start("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"status": "ok", "streams": len(self._streams)}).encode() + b"\n"]
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics, /healthz\n"]


_open: dict[tuple[str, int], Endpoint] = {}
_lock = threading.Lock()


class Served:
    """A stream's counts, served until `close`; streams of a process share an address."""

    def __init__(self, address: str, name: str, statistics: Statistics) -> None:
        """Raises UsageError for an address that cannot be served at."""
        self._key = parse_address(address)
        with _lock:
            self._endpoint = _open.get(self._key) or Endpoint(*self._key)
            _open[self._key] = self._endpoint
            self._name = self._endpoint.add(name, statistics)

    @property
    def port(self) -> int:
        """Where it is served, if the address left the port open (0)."""
        return self._endpoint.port

    def close(self) -> None:
        """Serve it no more; without any stream the address is free."""
        with _lock:
            if self._endpoint.remove(self._name) and _open.get(self._key) is self._endpoint:
                del _open[self._key]
                self._endpoint.close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no news."""


class _Collector:
    """Reads the streams' counts when it is asked."""

    def __init__(self, streams: dict[str, Statistics]) -> None:
        self._streams = streams

    def collect(self) -> Iterator[Any]:
        """Metric families, as prometheus_client takes them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        streams = list(self._streams.items())
        for field, text in _COUNTERS.items():
            name = f"concealer_pictures_{field}" if field in _PICTURES else f"concealer_{field}"
            family = CounterMetricFamily(name, text, labels=["stream"])
            for stream, counts in streams:
                family.add_metric([stream], getattr(counts, field))
            yield family
        blocks = CounterMetricFamily("concealer_blocks", "Blocks of 16x16 samples hit.", labels=["stream", "state"])
        repairs = CounterMetricFamily("concealer_repairs", "Repaired pictures.", labels=["stream", "method"])
        visible = CounterMetricFamily(
            "concealer_visible_damage_seconds", "Time that damage was seen unrepaired.", labels=["stream"]
        )
        confidence = GaugeMetricFamily(
            "concealer_confidence", "Of the latest picture, 0 to 1; 1: no damage touches it.", labels=["stream"]
        )
        latency = HistogramMetricFamily(
            "concealer_latency_seconds", "From an access unit's arrival to its picture.", labels=["stream"]
        )
        for stream, counts in streams:
            for state in _BLOCKS:
                blocks.add_metric([stream, state], getattr(counts, f"{state}_blocks"))
            for method, count in sorted(counts.methods.copy().items()):
                repairs.add_metric([stream, method], count)
            visible.add_metric([stream], counts.visible_seconds)
            confidence.add_metric([stream], counts.confidence)
            latency.add_metric([stream], _buckets(counts), counts.latency_sum)
        yield from (blocks, repairs, visible, confidence, latency)


def _buckets(counts: Statistics) -> list[tuple[str, float]]:
    """(upper bound, pictures up to it), the last bound infinite."""
    bounds = [*(str(bound) for bound in LATENCY_BOUNDS), "+Inf"]
    total, buckets = 0, []
    for bound, count in zip(bounds, list(counts.latency_counts), strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
