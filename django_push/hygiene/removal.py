"""The end of an application, with its millions of rows.

What hangs on it goes by chunks, children first, so that no statement and no transaction is long;
the application itself goes last. Interrupted, it is gone on with by calling again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from ..clock import clock
from ..conf import alias
from ..delivery import cancel
from ..exceptions import NotAllowed
from ..models import (
    ApiKey,
    Application,
    DeliveryFailure,
    Installation,
    Notification,
    PushBatch,
    PushHistory,
)
from .chunks import CHUNK, delete, rows_of

__all__ = ["delete_application", "of_application"]

PATIENCE = 90.0
"""Seconds that workers get to let go of its pushes: more than a lease."""
_LOOK = 0.2

_LARGE: dict[type[Model], str] = {
    DeliveryFailure: "history__application",
    PushBatch: "history__application",
    PushHistory: "application",
    Notification: "application",
    Installation: "application",
}
"""What there may be millions of: in this order, with the way to the application."""


def of_application(application: Application) -> Counter[str]:
    """How many rows of the large tables an application has."""
    return Counter({model.__name__: rows.count() for model, rows in _rows(application)})


def delete_application(
    application: Application, done: Counter[str], *, patience: float = PATIENCE
) -> Iterator[None]:
    """Delete an application and all that is its; adds the rows deleted to ``done``, by model.

    First its keys are revoked, so that nothing new comes, and its pushes are stopped. Then the
    workers get ``patience`` seconds to let go of them. A generator that stops after each chunk.

    Raises :class:`~django_push.exceptions.NotAllowed` when a worker does not let go.
    """
    now = clock(alias()).now()
    rows_of(ApiKey).filter(application=application, revoked_at=None).update(revoked_at=now)
    yield from _stop_pushes(application)
    yield from _wait_for_workers(application, patience)
    for model, rows in _rows(application):
        size = CHUNK // 10 if model is PushBatch else CHUNK
        while pks := list(rows.values_list("pk", flat=True)[:size]):
            with transaction.atomic(using=alias()):
                done.update(delete(model, pks))
            yield
    with transaction.atomic(using=alias()):
        # Django's own delete for the rest, some rows of each kind: with its signals, since losing
        # the last access must not open the other applications to all staff.
        _total, counts = application.delete()
    done.update({label.split(".")[-1]: number for label, number in counts.items()})


def _rows(application: Application) -> list[tuple[type[Model], QuerySet[Any]]]:
    return [(model, rows_of(model).filter(**{path: application})) for model, path in _LARGE.items()]


def _stop_pushes(application: Application) -> Iterator[None]:
    series = Notification.Status.REPEATING, Notification.Status.PAUSED
    rows_of(Notification).filter(application=application, status__in=series).update(
        status=Notification.Status.SENT, next_at=None
    )
    open_ = rows_of(PushHistory).filter(application=application, finished_at=None)
    for history in open_.order_by("pk").iterator(chunk_size=100):
        try:
            cancel(history, _("the deletion of its application"))
        except NotAllowed:
            continue  # it ended just now, or was stopped before
        yield


def _wait_for_workers(application: Application, patience: float) -> Iterator[None]:
    """Until nobody holds a batch or a plan: rows must not vanish under a worker's hands."""
    ends = time.monotonic() + patience
    pushes = rows_of(PushHistory).filter(application=application)
    batches = rows_of(PushBatch).filter(history__in=pushes.values("pk"), settled_at=None)
    while True:
        batches.filter(lease_owner="").update(claim_at=None)  # nobody takes them any more
        if not batches.filter(~Q(lease_owner=""), lease_until__gt=clock(alias()).now()).exists():
            return
        if time.monotonic() > ends:
            raise NotAllowed(
                _("A worker still sends pushes of this application. Try again in a minute.")
            )
        time.sleep(_LOOK)
        yield
