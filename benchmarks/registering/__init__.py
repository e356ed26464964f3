"""Registering devices, beside django-push-notifications: ``python -m benchmarks register``."""

import hashlib

APPLICATION, KEY = "bench", "a-key-of-the-benchmark-that-both-take"

TOKEN_SQL = "md5(n::text) || md5((-n)::text)"
"""The device token of row n, as PostgreSQL makes it."""


def token(n: int) -> str:
    """The same, here."""
    return "".join(hashlib.md5(str(each).encode()).hexdigest() for each in (n, -n))
