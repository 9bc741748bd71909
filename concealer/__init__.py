"""Real-time error concealment for H.264 and HEVC, inside the decoder's reference pictures."""

__version__ = "0.1.0"
