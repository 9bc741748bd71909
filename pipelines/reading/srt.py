"""SRT where FFmpeg was built without it, as in PyAV's wheels: through GStreamer's elements, in a process beside."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Callable

import av

from pipelines.errors import OutputError, one_line
from pipelines.reading.addresses import scheme

_LAUNCH = "gst-launch-1.0"
_ENDING = 3.0
"""Seconds that the process has to send what it still holds."""
ELEMENTS = {"srtsrc": "srtsrc uri={url} ! fdsink fd=1", "srtsink": "fdsrc fd=0 ! srtsink uri={url}"}


def command(element: str, url: str) -> list[str]:
    """The command that receives (`srtsrc`) into its standard output or sends (`srtsink`) its standard input.

    url: as GStreamer takes it; of a mode that is not named the sender is the caller, the receiver the listener only
    where the URL has no host. Raises FileNotFoundError, with what to do, where GStreamer lacks it.
    """
    launch, inspect = shutil.which(_LAUNCH), shutil.which("gst-inspect-1.0")
    shown = ELEMENTS[element].format(url=f"'{url}'")
    known = launch and inspect and subprocess.run([inspect, "--exists", element], check=False).returncode == 0
    if not known or launch is None:
        raise FileNotFoundError(
            f"this FFmpeg has no SRT, and there is no GStreamer with {element} either: install gstreamer1.0-tools and "
            f"gstreamer1.0-plugins-bad, by which it runs {_LAUNCH} -q {shown}"
        )
    return [launch, "-q", *ELEMENTS[element].format(url=url).split()]


def ffmpeg_has_srt() -> bool:
    """Whether the FFmpeg inside PyAV speaks SRT."""
    try:
        av.open("srt://127.0.0.1:1?mode=caller&connect_timeout=1", "r", timeout=0.01)
    except av.ProtocolNotFoundError:
        return False
    except (av.FFmpegError, ValueError, OSError):
        return True
    return True


def foreign_sender(address: str) -> SrtWriter | None:
    """What sends to an address in FFmpeg's place, None where FFmpeg does. Raises OutputError."""
    if scheme(address) != "srt" or ffmpeg_has_srt():
        return None
    try:
        return SrtWriter(address)
    except OSError as error:
        raise OutputError(f"{address}: {one_line(error)}") from error


class SrtReader:
    """What comes by SRT as a byte stream."""

    def __init__(self, url: str, stopped: Callable[[], bool]) -> None:
        """Raises FileNotFoundError (`command`)."""
        self._stopped = stopped
        self._over = False
        self._child = subprocess.Popen(command("srtsrc", url), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._child.stdout is not None
        self._descriptor = self._child.stdout.fileno()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of what has come; b"" once stopped or the sender has left."""
        while not (self._over or self._stopped()):
            if select.select([self._descriptor], [], [], 0.2)[0]:
                return os.read(self._descriptor, size)
        return b""

    def interrupt(self) -> None:
        """Nothing more is read."""
        self._over = True

    def close(self) -> None:
        """To be called once or more."""
        self._child.terminate()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


class SrtWriter:
    """A file that libavformat writes to and does not seek in; what is written is sent by SRT."""

    def __init__(self, url: str) -> None:
        """Raises FileNotFoundError (`command`)."""
        self._child = subprocess.Popen(command("srtsink", url), stdin=subprocess.PIPE)

    def write(self, data: bytes) -> int:
        """Raises BrokenPipeError once the other end is gone."""
        assert self._child.stdin is not None
        self._child.stdin.write(data)
        self._child.stdin.flush()
        return len(data)

    def close(self) -> None:
        """Send what is left."""
        try:
            self._child.communicate(timeout=_ENDING)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        except (BrokenPipeError, ValueError):
            self._child.wait()
