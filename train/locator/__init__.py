"""Training of `concealer.decoder.locating`: where in a slice damage begins."""
