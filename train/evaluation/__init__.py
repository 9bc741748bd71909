"""Measuring the systems cell by cell: a cell is one system under one mask, kept as JSON with its weights' hash."""
