"""The database's clock, put forward in one process, by ``PUSH_TEST_AHEAD`` seconds.

What a worker does in the morning cannot wait for one. With this directory in PYTHONPATH leases,
due times and quiet hours are those of later; the process's own clock, and so its keys' age, is
not touched.
"""

import os
from datetime import timedelta

from django_push.clock import DatabaseClock

_ask = DatabaseClock._ask


def _later(clock: DatabaseClock) -> None:
    _ask(clock)
    clock._at += timedelta(seconds=float(os.environ["PUSH_TEST_AHEAD"]))


DatabaseClock._ask = _later
