"""Whom a message is for, in the composer: between what people choose and an audience's JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audience import Audience
from ..exceptions import InvalidPush
from ..models import Application, Notification, Segment
from ..models.segment import segments_named
from .json_field import StrictJSONField
from .widgets import area, text
from .words import PLATFORMS, moment, number

__all__ = [
    "AudienceForm",
    "Offer",
    "audience_initial",
    "audience_words",
    "items",
    "write_audience",
]

EVERYONE, CHANNELS, PEOPLE, DEVICES = "everyone", "channels", "users", "installations"
SEGMENTS, RAW = "segments", "raw"
KINDS = (
    (EVERYONE, gettext_lazy("Everyone")),
    (SEGMENTS, gettext_lazy("Segments")),
    (CHANNELS, gettext_lazy("Channels")),
    (PEOPLE, gettext_lazy("Certain people")),
    (DEVICES, gettext_lazy("Chosen devices")),
    (RAW, gettext_lazy("As JSON")),
)
TYPED = {CHANNELS: ", ", PEOPLE: "\n", DEVICES: "\n"}
"""Lists that people type, and what stands between their items."""
MOST_SEGMENTS = 200
"""Offered in the composer. Who has more names them in JSON."""


def items(value: str) -> list[str]:
    """A list that people type: separated by commas or lines."""
    return [part for part in re.split(r"\s*[,;\n]\s*", value.strip()) if part]


@dataclass(frozen=True, slots=True)
class Offer:
    """A segment that may be chosen."""

    key: str
    application_id: int
    segment: Segment | None = None
    """``None`` for one that a draft names and that is gone."""
    of: str = ""
    """Its application's name, where there are several."""
    chosen: bool = False

    @property
    def value(self) -> str:
        """What the form posts."""
        return f"{self.application_id}/{self.key}"

    @property
    def label(self) -> str:
        name = str(self.segment) if self.segment else _("“%s”, which is gone") % self.key
        return f"{name} ({self.of})" if self.of else name

    @property
    def size(self) -> str:
        """How many it was when it was last counted."""
        if self.segment is None or self.segment.devices is None:
            return ""
        said = {"devices": number(self.segment.devices), "when": moment(self.segment.counted_at)}
        return _("%(devices)s, counted %(when)s") % said


class AudienceForm(forms.Form):
    """The fields of an audience. ``instance`` is the message."""

    instance: Notification

    audience_kind = forms.ChoiceField(
        label=gettext_lazy("Send to"), choices=KINDS, required=False, widget=forms.RadioSelect
    )
    segments = forms.MultipleChoiceField(label=gettext_lazy("Any of these"), required=False)
    left_out = forms.MultipleChoiceField(label=gettext_lazy("But none of"), required=False)
    channels = text(
        gettext_lazy("Any of these"),
        gettext_lazy("Names of channels, separated by commas."),
        list="push-channels",
    )
    users = forms.CharField(
        label=gettext_lazy("These people"),
        required=False,
        widget=area(3),
        help_text=gettext_lazy(
            "User ids, separated by commas or lines. Only devices on which the person is known "
            "to be signed in get it."
        ),
    )
    installations = forms.CharField(
        label=gettext_lazy("These devices"),
        required=False,
        widget=area(3),
        help_text=gettext_lazy("Ids of devices, as their pages show them."),
    )
    raw = StrictJSONField(
        label=gettext_lazy("Audience"),
        required=False,
        indent=2,
        widget=area(5, spellcheck="false"),
        help_text=gettext_lazy('As the API takes it: {"where": {"badge": {"$gt": 0}}}.'),
    )
    device_types = forms.MultipleChoiceField(
        label=gettext_lazy("Only on"),
        required=False,
        choices=list(PLATFORMS.items()),
        widget=forms.CheckboxSelectMultiple,
    )

    def offer_segments(self, applications: QuerySet[Application]) -> None:
        """Make the segments of ``applications`` the choices, and those that the draft names."""
        own = self.instance.application_id
        rows = Segment.objects.filter(application__in=applications).select_related("application")
        found = list(rows.order_by("name", "pk")[:MOST_SEGMENTS])
        several = len({segment.application_id for segment in found}) > 1
        self._offered = {
            offer.value: offer
            for offer in (
                Offer(each.key, each.application_id, each, str(each.application) * several)
                for each in found
            )
        }
        for key in sorted(segments_named(self.instance.audience)) if own else ():
            gone = Offer(key, own)
            self._offered.setdefault(gone.value, gone)
        for name in ("segments", "left_out"):
            field: Any = self.fields[name]
            field.choices = [(value, offer.label) for value, offer in self._offered.items()]

    def offers(self, name: str) -> list[Offer]:
        """What the page shows for the field ``name``."""
        chosen = set(self[name].value() or ())
        return [
            Offer(each.key, each.application_id, each.segment, each.of, each.value in chosen)
            for each in self._offered.values()
        ]

    @property
    def offered(self) -> list[Offer]:
        return self.offers("segments")

    @property
    def offered_to_leave_out(self) -> list[Offer]:
        return self.offers("left_out")


def write_audience(message: Notification, cleaned: Mapping[str, Any]) -> None:
    """Set what the form says; unfinished is empty.

    Raises :class:`~django_push.exceptions.InvalidPush`.
    """
    audience = _chosen(message, cleaned)
    if audience and cleaned.get("audience_kind") != RAW:
        if cleaned.get("device_types"):
            audience["device_types"] = cleaned["device_types"]
        left_out = _keys(message, cleaned.get("left_out") or (), "left_out")
        if left_out:
            audience["exclude"] = {"segments": left_out}
    message.audience = Audience.from_json(audience).to_json() if audience else {}
    message.sees_claims = False  # whoever changes it here holds no server key


def _chosen(message: Notification, cleaned: Mapping[str, Any]) -> Any:
    kind = cleaned.get("audience_kind") or ""
    if kind == EVERYONE:
        return {"everyone": True}
    if kind == RAW:
        return cleaned.get("raw")
    chosen: list[str] = []
    if kind == SEGMENTS:
        chosen = _keys(message, cleaned.get("segments") or (), "segments")
    elif kind:
        chosen = items(cleaned.get(kind) or "")
    return {kind: chosen} if chosen else {}


def _keys(message: Notification, values: Iterable[str], field: str) -> list[str]:
    keys = []
    for value in values:
        application, _slash, key = value.partition("/")
        if application != str(message.application_id):
            raise InvalidPush(
                _("Segment “%s” belongs to another application than this message.") % key,
                code="unknown_segment",
                field=field,
            )
        keys.append(key)
    return keys


def audience_initial(message: Notification) -> dict[str, Any]:
    """What the fields show for a message; an audience that they cannot show whole is JSON."""
    audience = message.audience
    shown = {name: value for name, value in audience.items() if name in (*TYPED, SEGMENTS)}
    rest = set(audience) - set(shown) - {EVERYONE, "device_types", "exclude"}
    excluded = audience.get("exclude") or {}
    kinds = [*shown, *([EVERYONE] if audience.get("everyone") else [])]
    if set(audience) == {"device_types"}:
        kinds = [EVERYONE]
    if rest or set(excluded) - {"segments"} or len(kinds) > 1 or not _typeable(shown):
        return {"audience_kind": RAW, "raw": audience}
    prefix = f"{message.application_id}/"
    initial: dict[str, Any] = {
        "device_types": audience.get("device_types", []),
        "left_out": [f"{prefix}{key}" for key in excluded.get("segments", ())],
        "segments": [f"{prefix}{key}" for key in shown.pop(SEGMENTS, ())],
    }
    initial |= {kind: TYPED[kind].join(value) for kind, value in shown.items()}
    return initial | ({"audience_kind": kinds[0]} if kinds else {})


def _typeable(lists: Mapping[str, Any]) -> bool:
    """Whether what people would type is read as the same list."""
    return all(
        items(TYPED[kind].join(value)) == list(value)
        for kind, value in lists.items()
        if kind in TYPED
    )


def audience_words(message: Notification) -> str:
    """A sentence, with the names of its segments.

    Raises :class:`~django_push.exceptions.InvalidPush` for an audience that cannot be read.
    """
    audience = Audience.from_json(message.audience)
    with suppress(InvalidPush):  # one that is gone is told where the audience is counted
        audience = Segment.objects.resolve(message.application, audience)
    return audience.in_words()
