"""Detection, quality and latency, measured; results are JSON, the tables in the docs are made from it."""
