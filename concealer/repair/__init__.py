"""Pixel repair of the blocks a damage map names: temporal, spatial, and the policy that picks."""

from concealer.repair.measured_motion import measured_motion
from concealer.repair.motion_field import predicted_motion
from concealer.repair.outcome import RepairOutcome
from concealer.repair.policy import Repairer

__all__ = ["RepairOutcome", "Repairer", "measured_motion", "predicted_motion"]
