"""Data sets, losses and recipes that train the networks."""
