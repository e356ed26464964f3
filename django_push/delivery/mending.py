"""Refusals of a credential that somebody has just mended.

They were on their way when the push was resumed, and must not pause it again: a credential's
``updated_at`` tells what it was when its batches were claimed, and a resume moves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F, QuerySet

from ..conf import alias
from ..models import Credential
from .rows import batches
from .run import Run

__all__ = ["acquit_mended", "free_mended"]


def acquit_mended(accused: Sequence[Run]) -> None:
    """Give runs that are about to pause back to the queue, if their credential was mended."""
    for run in _mended(accused):
        run.pause_reason, run.credential_refused, run.released = "", False, True


def free_mended(paused: Sequence[Run]) -> None:
    """Queue batches again that were paused in the very moment of a resume, which could not yet see
    that they were."""
    if not paused:
        return
    # Waits for a resume that has not ended yet: it has written these rows.
    _credentials(paused).update(updated_at=F("updated_at"))
    freed = _mended(paused)
    for run in freed:
        run.pause_reason, run.credential_refused = "", False
    if freed:
        mine = batches().filter(pk__in=[run.batch.pk for run in freed])
        held = mine.filter(settled_at=None, lease_owner="", claim_at=None)
        held.exclude(pause_reason="").update(claim_at=F("turn_at"), pause_reason="")


def _mended(runs: Sequence[Run]) -> list[Run]:
    if not runs:
        return []
    now: dict[int, datetime] = dict(_credentials(runs).values_list("pk", "updated_at"))
    asked = [(run, run.batch.credential) for run in runs]
    return [run for run, mine in asked if mine and now.get(mine.pk) != mine.updated_at]


def _credentials(runs: Sequence[Run]) -> QuerySet[Credential]:
    return Credential.objects.using(alias()).filter(
        pk__in={run.batch.credential_id for run in runs if run.batch.credential_id}
    )
