"""From NAL units to access units: which picture, what of it arrived, what is missing before it."""
