"""Counts over HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.metrics import Served, parse_address
from pipelines.statistics import Statistics

REPOSITORY = Path(__file__).resolve().parents[2]


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def test_counts_are_served_while_the_stream_runs() -> None:
    pytest.importorskip("prometheus_client")
    counts = Statistics()
    served = Served(":0", "camera", counts)
    other = Served(":0", "camera", Statistics())
    port = served.port
    assert other.port == port
    counts.pictures, counts.packets_lost, counts.lost_blocks = 7, 3, 99
    counts.methods["motion"] = 2
    counts.latency_counts[2], counts.latency_sum = 5, 0.07
    text = _get(port, "/metrics")
    for line in (
        'concealer_pictures_total{stream="camera"} 7.0',
        'concealer_pictures_total{stream="camera-2"} 0.0',
        'concealer_packets_lost_total{stream="camera"} 3.0',
        'concealer_blocks_total{state="lost",stream="camera"} 99.0',
        'concealer_repairs_total{method="motion",stream="camera"} 2.0',
        'concealer_latency_seconds_bucket{le="0.02",stream="camera"} 5.0',
        'concealer_latency_seconds_count{stream="camera"} 5.0',
    ):
        assert line in text
    assert json.loads(_get(port, "/healthz")) == {"status": "ok", "streams": 2}
    with pytest.raises(urllib.error.HTTPError):
        _get(port, "/else")
    other.close()
    assert "camera-2" not in _get(port, "/metrics")
    served.close()
    with pytest.raises(urllib.error.URLError):
        _get(port, "/metrics")


def test_the_command_serves_them(media: Path, tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stream = (media / "damaged-h264.264").read_bytes()
    arguments = ["-", "-", "-f", "264", "--input-format", "h264", "--preset", "ultrafast", "--metrics", f":{port}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=REPOSITORY,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(stream * 20)  # more than is read ahead to find out what it is
        process.stdin.flush()
        text = ""
        for _ in range(200):
            try:
                text = _get(port, "/metrics")
            except urllib.error.URLError:
                time.sleep(0.05)
            else:
                break
        assert "concealer_pictures_total{stream=" in text
    finally:
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_addresses() -> None:
    assert parse_address(":9100") == ("127.0.0.1", 9100)
    assert parse_address("9100") == ("127.0.0.1", 9100)
    assert parse_address("0.0.0.0:9100") == ("0.0.0.0", 9100)
    assert parse_address("[::1]:9100") == ("::1", 9100)
    for text in ("", "host", "host:", ":70000"):
        with pytest.raises(UsageError, match="ADDR:PORT"):
            parse_address(text)


def test_an_address_in_use_is_one_line() -> None:
    pytest.importorskip("prometheus_client")
    served = Served(":0", "one", Statistics())
    with pytest.raises(UsageError, match="cannot be served at 127.0.0.1"):
        Served(f":{served.port}", "two", Statistics())
    served.close()


def test_without_the_package_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from pipelines.cli import main\n"
        "raise SystemExit(main(['in.mp4', 'out.mp4', '--metrics', ':0']))\n"
    )
    missing = "import sys; sys.modules['prometheus_client'] = None\nfrom pipelines.metrics import Endpoint\n"
    missing += "from pipelines.errors import UsageError\ntry: Endpoint('127.0.0.1', 0)\n"
    missing += "except UsageError as error: print(error)\n"
    done = subprocess.run([sys.executable, "-c", missing], capture_output=True, text=True, cwd=REPOSITORY)
    assert "pip install 'concealer[metrics]'" in done.stdout
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert "Traceback" not in done.stderr


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    pytest.importorskip("prometheus_client")
    dashboard = json.loads((REPOSITORY / "docs" / "grafana.json").read_text())
    served = Served(":0", "camera", Statistics())
    text = _get(served.port, "/metrics")
    served.close()
    known = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    known |= {f"{name}_bucket" for name in known}
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked) >= 8
    for expression in asked:
        names = [word for word in expression.replace("(", " ").replace("{", " ").replace("[", " ").split()]
        used = [name for name in names if name.startswith("concealer_")]
        assert used
        assert all(name in known or name.removesuffix("_total") in known for name in used), expression
