"""Pixel repair of the blocks a damage map names: temporal, spatial, and the policy that picks."""

from concealer.repair.blend import SHARPNESS, Expected
from concealer.repair.candidates import Candidate
from concealer.repair.cells import cell_size, cells_of, on_cells
from concealer.repair.choice import Choice, Chosen, LearntChoice
from concealer.repair.crops import Square
from concealer.repair.figures import (
    AROUND,
    BELIEF,
    FIGURES,
    FRESHNESS,
    MOST,
    ChoiceInputs,
    Question,
    choice_inputs,
    freshness,
    own_candidate,
)
from concealer.repair.generative import GenerativeRepair, Locate
from concealer.repair.landmarks import LandmarkStructure, draw_maps, follow, settle, visible
from concealer.repair.measured_motion import measured_motion
from concealer.repair.motion_field import predicted_motion
from concealer.repair.own import total_log_weight
from concealer.repair.policy import METHODS, MOTION_METHODS, Method, Repairer
from concealer.repair.site import Layer, Site, share_of_repair
from concealer.repair.tracks import Tracks

__all__ = [
    "Tracks",
    "Square",
    "Site",
    "settle",
    "visible",
    "draw_maps",
    "follow",
    "LandmarkStructure",
    "GenerativeRepair",
    "Locate",
    "Candidate",
    "AROUND",
    "BELIEF",
    "FIGURES",
    "Choice",
    "Chosen",
    "ChoiceInputs",
    "Expected",
    "Question",
    "FRESHNESS",
    "Layer",
    "LearntChoice",
    "MOST",
    "SHARPNESS",
    "cell_size",
    "cells_of",
    "choice_inputs",
    "freshness",
    "on_cells",
    "own_candidate",
    "total_log_weight",
    "METHODS",
    "MOTION_METHODS",
    "Method",
    "Repairer",
    "measured_motion",
    "predicted_motion",
    "share_of_repair",
]
