"""A file that ends early, as after a broken download."""

from __future__ import annotations

import os
from typing import BinaryIO

from concealer.loss.record import DamageRecord

_CHUNK = 1 << 20


def truncate(source: BinaryIO, target: BinaryIO, rate: float) -> DamageRecord:
    """Copy a file without the last `rate` (0..1) of its bytes, whatever its container. Raises ValueError.

    The record holds the bytes taken and no access units: what a container without its end still gives is for
    its reader to say (an MP4 file with its index at the end gives nothing).
    """
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"share to cut off must be within 0..1, got {rate}")
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    kept = size - round(size * rate)
    left = kept
    while left > 0 and (chunk := source.read(min(_CHUNK, left))):
        target.write(chunk)
        left -= len(chunk)
    record = DamageRecord("", {"name": "truncate", "rate": rate})
    if kept < size:
        record.file_removed.append((kept, size - kept))
    return record
