"""Pixel repair of the blocks a damage map names: temporal, spatial, and the policy that picks."""

from concealer.repair.measured_motion import measured_motion
from concealer.repair.motion_field import predicted_motion
from concealer.repair.outcome import RepairOutcome
from concealer.repair.policy import METHODS, MOTION_METHODS, Method, Repairer

__all__ = [
    "METHODS",
    "MOTION_METHODS",
    "Method",
    "RepairOutcome",
    "Repairer",
    "measured_motion",
    "predicted_motion",
]
