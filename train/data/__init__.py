"""Faces and talking heads: from archives and clips to shards, masks, pseudo sequences."""
