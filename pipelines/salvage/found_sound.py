"""What is found of a stream of sound."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.salvage.media import Span


@dataclass
class FoundSound:
    """A stream of sound."""

    kind: str
    """Its four letters in a sample entry."""
    channels: int
    rates: tuple[int, ...]
    """Those it may have, the likeliest first."""
    samples_each: int
    """Of a block; 1 for PCM, whose blocks are one value of each channel."""
    blocks: list[Span] = field(default_factory=list)
    """One each, in order; of PCM stretches of many."""
    config: bytes = b""
    block_size: int = 0
    """Bytes of a PCM block."""
    bits: int = 16
    origin: str = "decoding"
    trimmed: int = 0
    """Samples at its start that the encoder put before the sound."""
    likely: bool = False
    """Blocks end where most speaks for it, and not where anything proves it."""

    @property
    def length(self) -> int:
        """In samples."""
        if self.block_size:
            return sum(end - start for start, end in self.blocks) // self.block_size
        return self.samples_each * len(self.blocks)
