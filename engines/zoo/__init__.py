"""Shipped weights: a table from name to files and card, and the networks made of them."""

from engines.zoo.table import Entry, Zoo, ZooFile, open_zoo

__all__ = ["Entry", "Zoo", "ZooFile", "open_zoo"]
