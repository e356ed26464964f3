"""Devices that were finally not reached: their rows, and whether they are switched off.

All of it in the transaction of the checkpoint that records the outcome. One device in twenty may
be dead, so this is written for hundreds at a time: with ORM objects and lists of parameters a dead
device cost twenty times what a living one costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import QuerySet
from django.db.models.constants import OnConflict
from django.utils import timezone

from ..conf import alias
from ..messages import Result, Status
from ..models import DeliveryFailure, Installation
from .rows import among, failures, installations, listing
from .run import Failure, Run
from .statements import Statement, Update, among_keys, keys, params, shape

__all__ = ["doomed", "record", "storable", "switch_off"]

SEEN_SINCE = timedelta(hours=1)
"""``last_seen_at`` is written hourly: Apple's timestamp must be later by that much to count."""
FEW = 64
"""On MariaDB a statement is compiled for each number of devices: only for few is it kept."""
ALIKE = 4
"""So many failures with the same words are written by a statement of their own."""


def doomed(run: Run) -> list[int]:
    """The devices that :func:`switch_off` may switch off."""
    meant = [each for each in run.failures if any(rule(each) for rule in _SWITCHED_OFF.values())]
    return [each.installation for each in meant]


def switch_off(run: Run) -> set[int]:
    """Switch off the devices of ``run.failures`` whose address is no good; their primary keys.

    Only while the address is still the one that was sent to, and only when the device was not
    seen after the moment since which the provider calls it dead.
    """
    gone: set[int] = set()
    for reason, is_meant in _SWITCHED_OFF.items():
        some = _switch_off_for(reason, [each for each in run.failures if is_meant(each)])
        if some:
            run.switched_off.setdefault(reason, set()).update(some)
        gone |= some
    return gone


_SWITCHED_OFF: dict[str, Callable[[Failure], bool]] = {
    Installation.Reason.DEAD: lambda failure: failure.result.status is Status.UNREGISTERED,
    Installation.Reason.WRONG: lambda failure: failure.is_wrong,
}


def _switch_off_for(reason: str, dead: Sequence[Failure]) -> set[int]:
    if not dead:
        return set()
    pks = sorted(failure.installation for failure in dead)
    seen = {pk: said for pk, *said in _hold(pks)}
    gone = {
        failure.installation
        for failure in dead
        if failure.installation in seen and _is_dead(failure, *seen[failure.installation])
    }
    if gone:
        _write_off(sorted(gone), Installation.off(reason, timezone.now()))
    return gone


def _hold(pks: Sequence[int]) -> list[tuple[Any, ...]]:
    """Lock those that are on, in one order for all workers: a device that registers again waits."""
    room = shape(len(pks))
    if room > FEW:
        return list(_locked(among(installations(), pks)))
    return _holding(alias(), room).fetch(**keys(pks, room))


def _locked(rows: QuerySet[Installation]) -> QuerySet[Installation, tuple[Any, ...]]:
    locked = rows.filter(is_active=True).order_by("pk").select_for_update()
    return locked.values_list("pk", "address", "last_seen_at")


@lru_cache(maxsize=FEW)
def _holding(using: str, room: int) -> Statement:
    return Statement(_locked(among_keys(Installation.objects.using(using), room)))


def _write_off(pks: Sequence[int], changes: dict[str, Any]) -> None:
    room = shape(len(pks))
    if room > FEW:
        among(installations(), pks).update(**changes)
    else:
        off = _switching_off(alias(), tuple(changes), room)
        off.run(**changes, **keys(pks, room))


@lru_cache(maxsize=2 * FEW)
def _switching_off(using: str, columns: tuple[str, ...], room: int) -> Update:
    rows = among_keys(Installation.objects.using(using), room)
    return Update(rows, **params(Installation, columns))


def _is_dead(failure: Failure, address: str, last_seen_at: datetime) -> bool:
    since = failure.result.invalid_since
    same = address == failure.address
    return same and (since is None or since > last_seen_at + SEEN_SINCE)


def record(run: Run, gone: set[int]) -> None:
    """A row for each of ``run.failures``; ``gone`` are those that were switched off.

    One that is there already stays: a device may fail twice when its worker died in between.
    """
    alike: dict[tuple[Status, str, str, bool], list[int]] = {}
    for failure in run.failures:
        said = failure.result
        key = (said.status, said.reason, said.detail, failure.installation in gone)
        alike.setdefault(key, []).append(failure.installation)
    single: list[DeliveryFailure] = []
    for (status, reason, detail, is_off), pks in alike.items():
        result = Result(status, reason, detail)
        row = _row(run, result, is_off)
        source = listing(sorted(pks)) if len(pks) >= ALIKE else None
        if source is not None:
            _insert(row, *source)
        else:
            single += [_row(run, result, is_off, pk) for pk in pks]
    if single:
        failures().bulk_create(single, ignore_conflicts=True)


def _row(
    run: Run, result: Result, is_off: bool, installation: int | None = None
) -> DeliveryFailure:
    return DeliveryFailure(
        history_id=run.batch.history_id,
        installation_id=installation,
        credential_id=run.batch.credential_id,
        provider=run.batch.provider,
        status=result.status.value,
        reason=storable(result.reason)[:191],
        detail=storable(result.detail)[:2000],
        switched_off=is_off,
    )


def _insert(row: DeliveryFailure, source: str, listed: str) -> None:
    """``row`` for each device of a :func:`listing`, by one statement: 2 µs each instead of 70."""
    connection = connections[alias()]
    ops, quote = connection.ops, connection.ops.quote_name
    fields = [
        field
        for field in DeliveryFailure._meta.concrete_fields
        if getattr(row, field.attname) is not None  # NULL in a SELECT has no type
    ]
    columns = [quote(str(field.column)) for field in fields]
    columns.append(quote("installation_id"))
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    sql = [
        ops.insert_statement(on_conflict=OnConflict.IGNORE),
        quote(DeliveryFailure._meta.db_table),
        f"({', '.join(columns)})",
        f"SELECT {'%s, ' * len(fields)}listed.id FROM ({source}) AS listed",  # noqa: S608  (ours)
        ops.on_conflict_suffix_sql(fields, OnConflict.IGNORE, [], []) or "",
    ]
    with connection.cursor() as cursor:
        cursor.execute(" ".join(sql), [*values, listed])


def storable(words: str) -> str:
    """What a vendor said, without what no database takes: NUL, halves of surrogate pairs."""
    return words.replace("\x00", "").encode(errors="replace").decode()
