"""Pixel repair of the blocks a damage map names: temporal, spatial, and the policy that picks."""

from concealer.repair.candidates import Candidate
from concealer.repair.crops import Square
from concealer.repair.generative import GenerativeRepair, Locate
from concealer.repair.landmarks import settle, visible
from concealer.repair.measured_motion import measured_motion
from concealer.repair.motion_field import predicted_motion
from concealer.repair.outcome import RepairOutcome
from concealer.repair.policy import METHODS, MOTION_METHODS, Method, Repairer
from concealer.repair.site import Site
from concealer.repair.tracks import Tracks

__all__ = [
    "Tracks",
    "Square",
    "Site",
    "settle",
    "visible",
    "GenerativeRepair",
    "Locate",
    "Candidate",
    "METHODS",
    "MOTION_METHODS",
    "Method",
    "RepairOutcome",
    "Repairer",
    "measured_motion",
    "predicted_motion",
]
