"""Wiring of the rooms into programs: the file pipeline and the command lines."""
