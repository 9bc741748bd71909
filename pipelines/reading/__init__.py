"""What comes in: files, pipes, live addresses, what their transport knows of losses, their times."""
