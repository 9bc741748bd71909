"""The decoder hook: picture buffers in decode order, stand-ins, and the damage of each picture."""
