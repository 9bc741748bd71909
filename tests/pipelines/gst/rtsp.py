"""As much of an RTSP server (RFC 2326) as one client needs that takes one H.264 track over TCP."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Sequence

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track\r\n"
)


class RtspServer:
    """Serves `packets`, (RTP packet, position in pictures), to the first client, then goes on answering it."""

    def __init__(self, packets: Sequence[tuple[bytes, int]], fps: int) -> None:
        self._packets, self._fps = packets, fps
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(20)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the client to leave."""
        self._socket.close()
        self._thread.join(20)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._socket.accept()
            with client, client.makefile("rb") as lines:
                client.settimeout(20)
                while (first := lines.readline()) and self._answer(client, lines, first):
                    pass

    def _answer(self, client: socket.socket, lines: object, first: bytes) -> bool:
        if first[:1] == b"$":  # the client's RTCP, of which nothing is wanted
            return False
        fields: dict[str, str] = {}
        while line := lines.readline().strip():  # type: ignore[attr-defined]
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        method, url = first.decode().split()[:2]
        extra, body = "Session: 1\r\n", ""
        if method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            extra, body = f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\n", _SDP
        elif method == "SETUP":
            extra += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        head = f"RTSP/1.0 200 OK\r\nCSeq: {fields.get('cseq', '0')}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        client.sendall((head + body).encode())
        if method == "PLAY":
            threading.Thread(target=self._play, args=(client,), daemon=True).start()
        return method != "TEARDOWN"

    def _play(self, client: socket.socket) -> None:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            for packet, position in self._packets:
                time.sleep(max(0.0, started + position / self._fps - time.monotonic()))
                client.sendall(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
