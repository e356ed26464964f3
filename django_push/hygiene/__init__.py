"""Keeping the registry and the history clean: what is stale, dead, old or twice.

Everything here goes by chunks of some hundred rows, each a short transaction of bulk statements,
so that it may run beside the pushes.
"""
