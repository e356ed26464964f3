"""What others cost for the same push: ``python -m benchmarks.peers``, or ``make bench-peers``."""
