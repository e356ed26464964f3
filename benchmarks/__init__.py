"""What a push costs, measured on this machine: ``python -m benchmarks``."""
