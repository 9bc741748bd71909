"""Fitting what `concealer.decoder.promising` says of damaged pictures."""
