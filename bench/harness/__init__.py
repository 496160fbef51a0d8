"""What bench/run.py is made of. It measures servers from outside, by /proc; it knows nothing of how they work."""
