"""Which credential sends to which installation: one rule, in SQL for planning and in Python.

The parts are disjoint and exhaustive, since the rule is a function of the row: the first step
that holds decides.

1. the credential whose bundle id is the installation's app identifier,
2. the credential whose name is the installation's device profile,
3. production before sandbox, older before newer.

In every step the credential must serve the installation's network, environment (unknown fits
both) and app identifier (an empty one on either side fits all). No step holds: no credential.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from django.db.models import Case, DateTimeField, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from ..conf import alias, push_settings
from ..messages import Environment
from ..models import Application, Credential, Installation, PushBatch
from ..providers.base import get_provider_class
from .statements import Param, Statement

__all__ = [
    "Part",
    "Traits",
    "counterpart",
    "part_of",
    "parts_of",
    "rows_of",
    "sorted_credentials",
    "usable_credentials",
]


class Traits(NamedTuple):
    """What of an installation the rule looks at."""

    provider: str
    environment: str
    app_identifier: str
    device_profile: str


TRAITS = Traits._fields


@dataclass(frozen=True, slots=True)
class Part:
    """Installations of one network and platform that one credential sends to."""

    network: str
    device_type: str
    credential_id: int | None
    provider: str
    """Name of the provider that sends; empty when no credential fits."""
    probe: bool = False
    """Devices whose token looked wrong in the environment where the rule puts them."""
    wakes_at: datetime | None = None
    """When their quiet hours are over, of devices that wait for it."""

    def to_json(self) -> list[Any]:
        return [self.network, self.device_type, self.credential_id, self.provider]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A credential, as far as the rule looks at it."""

    pk: int
    provider: str
    network: str
    name: str
    environment: str
    topic: str

    def fits(self, device: Traits) -> bool:
        return (
            self.network in {"*", device.provider}
            and device.environment in {self.environment, Environment.UNKNOWN.value}
            and (not self.topic_counts or device.app_identifier in {"", self.topic})
        )

    @property
    def topic_counts(self) -> bool:
        """Only Apple's topics are bundle ids; Google's project id says nothing about the app."""
        return bool(self.topic) and self.network == "apns"

    def condition(self) -> Q:
        """:meth:`fits`, for the database."""
        here = Q(environment__in=[self.environment, Environment.UNKNOWN.value])
        return here & self.anywhere()

    def anywhere(self) -> Q:
        """:meth:`condition` in whichever environment."""
        fits = Q()
        if self.network != "*":
            fits &= Q(provider=self.network)
        if self.topic_counts:
            fits &= Q(app_identifier__in=["", self.topic])
        return fits


def usable_credentials(application: Application) -> list[Credential]:
    """What an application can send through now, without the secrets."""
    rows = _usable(alias()).fetch(application=application.pk, now=timezone.now())
    found = [Credential.from_db(alias(), _USED, row) for row in rows]
    return [row for row in found if row.provider in push_settings.PROVIDERS]


_USED = ("id", "provider", "name", "environment", "topic", "public")


@cache
def _usable(using: str) -> Statement:
    rows = Credential.objects.using(using).filter(application=Param("application", IntegerField()))
    return Statement(rows.usable(Param("now", DateTimeField())).values_list(*_USED))


def sorted_credentials(
    application: Application, usable: Iterable[Credential] | None = None
) -> list[Candidate]:
    """Usable credentials, in the order in which the last step prefers them."""
    found = [
        Candidate(
            pk=row.pk,
            provider=row.provider,
            network=get_provider_class(row.provider).network,
            name=row.name,
            environment=row.environment,
            topic=row.topic,
        )
        for row in (usable_credentials(application) if usable is None else usable)
    ]
    return sorted(found, key=lambda c: (c.environment != Environment.PRODUCTION.value, c.pk))


def choose(candidates: Sequence[Candidate], device: Traits) -> Candidate | None:
    """The credential for one installation, or ``None``."""
    fitting = [candidate for candidate in candidates if candidate.fits(device)]
    for candidate in fitting:
        if candidate.topic_counts and candidate.topic == device.app_identifier:
            return candidate
    for candidate in fitting:
        if candidate.name and candidate.name == device.device_profile:
            return candidate
    return fitting[0] if fitting else None


def counterpart(candidates: Sequence[Candidate], pk: int | None) -> Candidate | None:
    """The credential that serves the same app in the other environment."""
    this = next((each for each in candidates if each.pk == pk), None)
    if this is None:
        return None
    same = [c for c in candidates if (c.network, c.topic) == (this.network, this.topic)]
    return next((each for each in same if each.environment != this.environment), None)


def part_of(batch: PushBatch) -> Part:
    """The part whose devices a batch holds, or held when it was planned."""
    return Part(batch.network, batch.device_type, batch.credential_id, batch.provider, batch.probe)


def part_for(candidates: Sequence[Candidate], device_type: str, device: Traits) -> Part:
    """The part that one installation is in."""
    if push_settings.REDIRECT_TO:
        return Part(device.provider, device_type, None, push_settings.REDIRECT_TO)
    chosen = choose(candidates, device)
    if chosen is None:
        return Part(device.provider, device_type, None, "")
    return Part(device.provider, device_type, chosen.pk, chosen.provider)


def choice(candidates: Sequence[Candidate]) -> Case:
    """:func:`choose` as an expression: the credential's primary key, or NULL."""
    steps: list[When] = []
    for candidate in candidates:
        if candidate.topic_counts:
            exact = candidate.condition() & Q(app_identifier=candidate.topic)
            steps.append(When(exact, then=Value(candidate.pk)))
    for candidate in candidates:
        if candidate.name:
            named = candidate.condition() & Q(device_profile=candidate.name)
            steps.append(When(named, then=Value(candidate.pk)))
    steps += [When(c.condition(), then=Value(c.pk)) for c in candidates]
    return Case(*steps, default=Value(None), output_field=IntegerField())


def parts_of(
    application: Application, candidates: Sequence[Candidate], kinds: Iterable[tuple[str, str]]
) -> list[Part]:
    """All parts of an application, for the (network, platform) pairs that it has."""
    redirect = push_settings.REDIRECT_TO
    if redirect:
        return [Part(network, kind, None, redirect) for network, kind in kinds]
    parts = []
    for network, kind in kinds:
        serving = [c for c in candidates if c.network in {"*", network}]
        parts += [Part(network, kind, c.pk, c.provider) for c in serving]
        parts.append(Part(network, kind, None, ""))
    return parts


def kinds_of(application: Application, using: str) -> list[tuple[str, str]]:
    """The (network, platform) pairs of an application, by hops over the index.

    A DISTINCT reads every row; this reads one per pair.
    """
    rows = Installation.objects.using(using).filter(application=application)
    rows = rows.order_by("provider", "device_type")
    kinds: list[tuple[str, str]] = []
    pair = rows.values_list("provider", "device_type").first()
    while pair is not None:
        kinds.append(pair)
        # Two questions: one with OR would be answered by a scan.
        same = rows.filter(provider=pair[0], device_type__gt=pair[1])
        next_one = same.values_list("provider", "device_type").first()
        beyond = rows.filter(provider__gt=pair[0])
        pair = next_one or beyond.values_list("provider", "device_type").first()
    return kinds


def rows_of(
    rows: QuerySet[Installation], part: Part, candidates: Sequence[Candidate]
) -> QuerySet[Installation]:
    """``rows`` narrowed to a part."""
    rows = rows.filter(provider=part.network, device_type=part.device_type)
    serving = [c for c in candidates if c.network in {"*", part.network}]
    if push_settings.REDIRECT_TO or not serving:
        return rows
    if part.probe:
        probing = [each.anywhere() for each in serving if each.pk == part.credential_id]
        return rows.filter(*probing)
    if len(serving) == 1:
        fits = serving[0].condition()  # the same, said more cheaply
        return rows.filter(fits) if part.credential_id else rows.exclude(fits)
    return rows.alias(chosen=choice(serving)).filter(chosen=part.credential_id)
