"""Pixel repair of the blocks a damage map names: temporal, spatial, and the policy that picks."""
