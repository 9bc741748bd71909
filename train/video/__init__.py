"""Training of the grouped prior for natural video (`concealer.networks.video_prior`)."""
