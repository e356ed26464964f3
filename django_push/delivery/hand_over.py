"""Devices that change hands while they wait to be sent to: their old user gets nothing more.

A batch is read when it is begun. Through a slow provider it may take half a minute, and in that
time somebody else can sign in on a phone, or its user out.
"""

from __future__ import annotations

from django.db.models import Q

from .ledger import Mark
from .reading import bound_since
from .rows import around, installations
from .run import Run

__all__ = ["follow"]

EVERY = 0.25
"""Seconds. A batch that is over sooner, as nearly all are, costs nothing."""


def follow(run: Run, now: float) -> None:
    """Leave out the waiting devices of a push to certain users that are not theirs any more.

    ``now`` is ``time.monotonic()``.
    """
    if now - run.followed_at < EVERY or not run.is_waiting:
        return
    run.followed_at = now
    since = bound_since(run.batch.history)
    waiting = run.waiting() if since is not None else []
    if not waiting:
        return
    other = Q(bound_at__gt=since) | Q(is_active=False)
    rows = around(installations(), waiting).filter(other)
    found = dict(rows.values_list("pk", "is_active"))
    if left := {pk: found[pk] for pk in waiting if pk in found}:
        run.leave_out({pk: Mark.CHANGED_HANDS if on else Mark.INACTIVE for pk, on in left.items()})
