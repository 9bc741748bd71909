"""A seeded lossy channel over NAL units, RTP, MPEG-TS and files."""
