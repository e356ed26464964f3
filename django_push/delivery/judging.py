"""The mass-failure guard: is it one device's fault, or our set-up's?

A token that looks wrong (*suspect*) is either foreign or malformed itself, or every token looks
wrong because the credential is for another app or environment. What tells them apart is how many
look wrong beside those that were accepted: by the same credential in the same push, over all its
batches and workers, since a slow push has few devices in each.

Until that is known suspects stay open. Where the application has a credential for the other
environment of the same app, they are tried there first (:mod:`.late`).
"""

from __future__ import annotations

import enum
import random
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import F, Sum

from ..clock import clock
from ..conf import alias, push_settings
from ..messages import Result, Status
from ..models import State
from . import ledger
from .ledger import Mark
from .partition import Candidate, Part
from .rows import batches, histories, is_planned
from .run import SUSPECTS, Run

__all__ = ["expire", "judge", "weigh"]

PROBE_WAIT = 2.0
"""Seconds that a batch waits for the plan, or for what the other environment says of the first."""
LONGEST_WISH = 86_400.0
"""Seconds that we wait at the most when a provider asks for more."""


class Verdict(enum.Enum):
    OWN_FAULT = enum.auto()
    """The devices' own."""
    SET_UP = enum.auto()
    """Ours."""
    OPEN = enum.auto()
    """Too few to tell, and others are still to come."""


class Tally(NamedTuple):
    """How the devices of one credential fared in one push."""

    suspects: int
    accepted: int

    @property
    def is_sound(self) -> bool:
        return self.accepted >= max(self.suspects, 1)

    @property
    def is_proven(self) -> bool:
        """Whether so many were accepted that the credential is certainly right."""
        return self.is_sound and self.accepted >= SUSPECTS


def weigh(run: Run) -> None:
    """Look at a run in which most tokens look wrong, while it is still being sent.

    Stops it for good, or for as long as it takes to hear of the other environment; lets it go on
    when the credential does well elsewhere in this push.
    """
    run.weighed = run.suspects
    if _tally_of(run).is_sound or _origin(run).is_sound:
        return
    if run.batch.probe or run.other is None:
        _accuse(run)
        return
    probes = _tally(run, run.other.pk, probe=True)
    if not probes.is_sound:
        _wait(run)
        run.is_probing = True


def judge(run: Run) -> None:
    """Decide what the open outcomes of a run that is over become.

    Called again with the same run when the transaction that records it was rolled back.
    """
    if run.stopped == State.CANCELLED:
        _leave_out(run, Mark.CANCELLED)
    elif run.expired:
        expire(run)
    if not run.halted or run.is_probing:
        _judge_suspects(run)
    if run.pause_reason or run.stopped or run.released:
        return
    if not run.deferred:
        _give_up(run)
    if ledger.open_positions(run.outcomes):
        run.due = _due(run)
        if run.is_expired(run.due):
            expire(run)  # the next try would come too late


def expire(run: Run) -> None:
    """The push is past its time."""
    _leave_out(run, Mark.EXPIRED)


def _leave_out(run: Run, why: Mark) -> None:
    """Nothing more is sent. Who may have got it is not said to be untried."""
    for position in ledger.open_positions(run.outcomes):
        if ledger.is_unknown(run.outcomes[position]):
            run.fail(position, Result(Status.FAILED, ledger.NO_ANSWER))
    run.skip_open(why)


def _give_up(run: Run) -> None:
    if run.batch.retries + 1 < push_settings.MAX_ATTEMPTS:
        return
    for position, result in list(run.open_results.items()):
        if run.outcomes[position] == Mark.DEFERRED:
            run.fail(position, Result(Status.FAILED, result.reason, result.detail))


def _judge_suspects(run: Run) -> None:
    doubted = [p for p in run.open_results if run.outcomes[p] == Mark.SUSPECT]
    if not doubted:
        return
    if run.other is not None and not run.batch.probe:
        _try_there(run, run.other, doubted)
        return
    verdict = _verdict(run)
    if verdict is Verdict.SET_UP:
        _accuse(run)
    elif verdict is Verdict.OWN_FAULT:
        is_wrong = run.batch.probe and _origin(run).is_proven
        for position in doubted:
            result = run.open_results[position]
            result = Result(Status.FAILED, result.reason, result.detail)
            run.fail(position, result, Mark.FOREIGN, is_wrong=is_wrong)


def _try_there(run: Run, other: Candidate, doubted: list[int]) -> None:
    """Try suspects in the other environment, once the push is planned.

    Where they are accepted they stay: the plan must not come upon them there.
    """
    if not is_planned(run.batch.history):
        _wait(run)
        return
    there = Part(run.batch.network, run.batch.device_type, other.pk, other.provider, probe=True)
    for position in doubted:
        run.depart(position, there, Mark.PROBED)


def _wait(run: Run) -> None:
    """For what is known a moment later."""
    due = clock(alias()).now() + timedelta(seconds=PROBE_WAIT)
    run.deferred = run.deferred or (due, run.last_reason)


def _verdict(run: Run) -> Verdict:
    if _here(run).is_sound or _origin(run).is_sound:
        return Verdict.OWN_FAULT
    everywhere = _tally_of(run)
    if everywhere.is_sound:
        return Verdict.OWN_FAULT
    if everywhere.suspects >= SUSPECTS:
        return Verdict.SET_UP
    return Verdict.OPEN if _more_to_come(run) else Verdict.OWN_FAULT


def _accuse(run: Run) -> None:
    run.pause_reason, run.credential_refused = run.last_reason, True


def _here(run: Run) -> Tally:
    """In this batch alone."""
    suspects = sum(run.outcomes.count(mark) for mark in ledger.SUSPECTS)
    return Tally(suspects, run.outcomes.count(Mark.SENT))


def _tally_of(run: Run) -> Tally:
    """In this batch, and in those of the same credential that this or other workers sent."""
    here, others = _here(run), _tally(run, run.batch.credential_id, probe=run.batch.probe)
    return Tally(here.suspects + others.suspects, here.accepted + others.accepted)


def _origin(run: Run) -> Tally:
    """Where a probe's devices come from; nothing for any other batch."""
    if not run.batch.probe or run.other is None:
        return Tally(0, 0)
    return _tally(run, run.other.pk, probe=False)


def _tally(run: Run, credential: int | None, *, probe: bool) -> Tally:
    """By the last checkpoints, without this batch."""
    rows = batches().filter(history=run.batch.history_id, credential=credential, probe=probe)
    sums = rows.exclude(pk=run.batch.pk).aggregate(wrong=Sum("suspects"), right=Sum("successes"))
    return Tally(sums["wrong"] or 0, sums["right"] or 0)


def _more_to_come(run: Run) -> bool:
    """Whether devices of the same app are still untried in this push."""
    credentials = [run.batch.credential_id, run.other.pk if run.other else None]
    others = batches().filter(
        history=run.batch.history_id, credential__in=[pk for pk in credentials if pk]
    )
    tried = F("successes") + F("failures") + F("suspects")
    untried = others.filter(settled_at=None, devices__gt=tried).exclude(pk=run.batch.pk)
    untried = untried.exclude(wakes_at__gt=clock(alias()).now())  # that may be tomorrow
    unplanned = histories().filter(pk=run.batch.history_id, planned_at=None)
    return untried.exists() or unplanned.exists()


def _due(run: Run) -> datetime:
    """When to try again those without a final outcome."""
    if run.deferred:
        return run.deferred[0]
    return clock(alias()).now() + timedelta(seconds=_backoff(run))


def _backoff(run: Run) -> float:
    """Seconds: exponential with jitter, never less than the provider asked for."""
    asked = max((r.retry_after or 0.0 for r in run.open_results.values()), default=0.0)
    longest: float = push_settings.RETRY_MAX_SECONDS
    grown: float = push_settings.RETRY_SECONDS * 2.0 ** min(run.batch.retries, 30)
    wished = min(asked, LONGEST_WISH) * random.uniform(1.0, 1.1)  # noqa: S311  (jitter)
    return max(wished, min(grown, longest) * random.uniform(0.75, 1.25))  # noqa: S311  (jitter)
