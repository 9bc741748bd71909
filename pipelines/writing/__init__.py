"""What goes out: encoders, muxers, byte streams, files that are whole or not there."""
