"""Exporting, compiling, caching and running networks, and the zoo of shipped weights."""
