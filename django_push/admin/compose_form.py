"""The composer's form: between the fields that people fill in and a :class:`Notification`.

A draft may be unfinished, so the form refuses only what cannot be kept. What is still missing
before a message may be sent is told by :mod:`django_push.admin.preflight`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audience import Audience
from ..exceptions import InvalidPush
from ..messages import Message, Priority
from ..models import Notification
from .json_field import StrictJSONField
from .languages import LanguageFormSet
from .words import PLATFORMS, duration

__all__ = ["ComposeForm"]

EVERYONE, CHANNELS, PEOPLE, DEVICES = "everyone", "channels", "users", "installations"
KINDS = (
    (EVERYONE, gettext_lazy("Everyone")),
    (CHANNELS, gettext_lazy("Channels")),
    (PEOPLE, gettext_lazy("Certain people")),
    (DEVICES, gettext_lazy("Chosen devices")),
)
NOW, LATER = "now", "later"
SHOWN = ("title", "subtitle", "body", "link", "image")
TEXTS = (
    *SHOWN,
    *("sound", "category", "thread_id", "android_channel_id"),
    *("collapse_id", "interruption_level", "priority"),
)
MANAGED = {*TEXTS, "badge", "badge_increment", "data", "mutable_content"}
"""What the form writes into ``content``; everything else in it is kept."""
GIVE_UP = (300, 3600, 4 * 3600, 86_400, 3 * 86_400, 7 * 86_400)


def wide(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "vTextField push-wide", "autocomplete": "off", **attrs})


def area(rows: int, **attrs: str) -> forms.Textarea:
    css = {"class": "vLargeTextField push-wide", "rows": str(rows), **attrs}
    return forms.Textarea(attrs=css)


def text(label: Any, help_text: Any = "", **attrs: str) -> forms.CharField:
    return forms.CharField(label=label, required=False, help_text=help_text, widget=wide(**attrs))


def items(value: str) -> list[str]:
    """A list that people type: separated by commas or lines."""
    return [part for part in re.split(r"\s*[,;\n]\s*", value.strip()) if part]


class ComposeForm(forms.ModelForm):  # type: ignore[type-arg]
    title = text(gettext_lazy("Title"), **{"data-preview": "title"})
    subtitle = text(gettext_lazy("Subtitle"), gettext_lazy("A second line, on Apple devices only."))
    body = forms.CharField(
        label=gettext_lazy("Text"), required=False, widget=area(4, **{"data-preview": "body"})
    )
    link = text(
        gettext_lazy("Opens"),
        gettext_lazy("A link into the app or a web page. Empty: the app opens."),
        inputmode="url",
    )
    image = text(
        gettext_lazy("Picture"),
        gettext_lazy(
            "Address of a picture, with https. iPhones show it only if the app has a "
            "notification service extension."
        ),
        inputmode="url",
    )
    mutable_content = forms.BooleanField(
        label=gettext_lazy("Let the app change it before it is shown (Apple)"), required=False
    )

    audience_kind = forms.ChoiceField(
        label=gettext_lazy("Send to"), choices=KINDS, required=False, widget=forms.RadioSelect
    )
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
    device_types = forms.MultipleChoiceField(
        label=gettext_lazy("Only on"),
        required=False,
        choices=list(PLATFORMS.items()),
        widget=forms.CheckboxSelectMultiple,
    )

    when = forms.ChoiceField(
        label=gettext_lazy("Send"),
        choices=(
            (NOW, gettext_lazy("As soon as it is confirmed")),
            (LATER, gettext_lazy("At one moment for all")),
        ),
        required=False,
        widget=forms.RadioSelect,
    )
    send_at = forms.DateTimeField(
        label=gettext_lazy("Moment"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    give_up = forms.TypedChoiceField(
        label=gettext_lazy("Give up after"),
        required=False,
        coerce=int,
        empty_value=None,
        help_text=gettext_lazy("A phone that is switched off longer than this never shows it."),
    )

    sound = text(gettext_lazy("Sound"), gettext_lazy("“default”, or a sound in the app."))
    badge_change = forms.ChoiceField(
        label=gettext_lazy("Badge"),
        required=False,
        choices=(
            ("", gettext_lazy("Leave as it is")),
            ("add", gettext_lazy("Add to it:")),
            ("set", gettext_lazy("Set it to:")),
        ),
    )
    badge_number = forms.IntegerField(
        label=gettext_lazy("Number"),
        required=False,
        min_value=0,
        max_value=99_999,
        help_text=gettext_lazy("0 removes the badge."),
    )
    category = text(gettext_lazy("Buttons"), gettext_lazy("Name of a set of buttons in the app."))
    thread_id = text(gettext_lazy("Thread"), gettext_lazy("Groups messages on Apple devices."))
    android_channel_id = text(gettext_lazy("Android channel"))
    data = StrictJSONField(  # type: ignore[assignment]
        label=gettext_lazy("Data"),
        required=False,
        widget=area(5, spellcheck="false"),
        help_text=gettext_lazy('For the app itself, as JSON: {"order": 4711}.'),
    )
    overrides = StrictJSONField(
        label=gettext_lazy("Per platform"),
        required=False,
        widget=area(6, spellcheck="false"),
        help_text=gettext_lazy(
            'Merged into what the provider gets, as JSON: {"apns": {"aps": {…}}, "fcm": {…}}.'
        ),
    )
    priority = forms.ChoiceField(
        label=gettext_lazy("Priority"),
        required=False,
        choices=(
            (Priority.HIGH.value, gettext_lazy("High: now, waking the device")),
            (Priority.NORMAL.value, gettext_lazy("Normal: with regard for the battery")),
            (Priority.LOW.value, gettext_lazy("Low: without waking the device")),
        ),
    )
    interruption_level = forms.ChoiceField(
        label=gettext_lazy("Interruption"),
        required=False,
        choices=(
            ("", gettext_lazy("As the app has it")),
            ("passive", gettext_lazy("Passive: no sound, no light")),
            ("active", gettext_lazy("Active")),
            ("time-sensitive", gettext_lazy("Time-sensitive")),
            ("critical", gettext_lazy("Critical (needs Apple's permission)")),
        ),
        help_text=gettext_lazy("Apple devices only."),
    )
    collapse_id = text(
        gettext_lazy("Replaces"),
        gettext_lazy("A later message with the same word here takes the place of this one."),
    )

    class Meta:
        model = Notification
        fields = ("application", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        instance = self.instance
        self.fields["name"].widget = wide()
        self.fields["give_up"].choices = _give_up_choices(instance.time_to_live)  # type: ignore[attr-defined]
        for name, value in {**_initial(instance), **self.initial}.items():
            self.initial.setdefault(name, value)
        self.languages = LanguageFormSet(
            self.data or None, prefix="lang", initial=LanguageFormSet.rows(instance.texts)
        )
        self._fix_application()

    def _fix_application(self) -> None:
        """One application is no choice."""
        field: Any = self.fields["application"]
        only = list(field.queryset[:2])
        if len(only) == 1:
            self.initial["application"] = only[0].pk
            self.only_application = only[0]
            field.widget = forms.HiddenInput()
        else:
            self.only_application = None

    def is_valid(self) -> bool:
        return self.languages.is_valid() and super().is_valid()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in ("data", "overrides"):
            value = cleaned.get(name)
            if value is not None and not isinstance(value, dict):
                self.add_error(name, _('Write an object: {"name": "value"}.'))
        if cleaned.get("badge_change") and cleaned.get("badge_number") is None:
            self.add_error("badge_number", _("Give the number."))
        if cleaned.get("when") == LATER and not cleaned.get("send_at") and not self.errors:
            self.add_error("send_at", _("Choose the day and the time."))
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors or not self.languages.is_valid():
            return
        self._check("content", self._write_content)
        self._check("audience", self._write_audience)
        self._write_schedule()

    def _check(self, part: str, write: Any) -> None:
        try:
            write()
        except InvalidPush as error:
            field = error.field.removeprefix("audience.")
            self.add_error(field if field in self.fields else None, error.message)

    def _write_content(self) -> None:
        notification, cleaned = self.instance, self.cleaned_data
        kept = {k: v for k, v in notification.content.items() if k not in MANAGED}
        written = {name: cleaned.get(name) or "" for name in TEXTS}
        if written["priority"] == Priority.HIGH:
            written["priority"] = ""
        content = {**kept, **{k: v for k, v in written.items() if v}, **_badge(cleaned)}
        if cleaned.get("data"):
            content["data"] = cleaned["data"]
        if cleaned.get("mutable_content"):
            content["mutable_content"] = True
        notification.content = content
        notification.overrides = cleaned.get("overrides") or {}
        notification.texts = self.languages.texts()
        extra = {"texts": notification.texts, "overrides": notification.overrides}
        Message.from_content({**content, **{k: v for k, v in extra.items() if v}})

    def _write_audience(self) -> None:
        cleaned = self.cleaned_data
        kind = cleaned.get("audience_kind") or ""
        audience: dict[str, Any] = {}
        if kind == EVERYONE:
            audience = {"everyone": True}
        elif kind:
            chosen = items(cleaned.get(kind) or "")
            audience = {kind: chosen} if chosen else {}
        if audience and cleaned.get("device_types"):
            audience["device_types"] = cleaned["device_types"]
        if audience:
            audience = Audience.from_json(audience).to_json()
        self.instance.audience = audience

    def _write_schedule(self) -> None:
        later = self.cleaned_data.get("when") == LATER
        self.instance.send_at = self.cleaned_data.get("send_at") if later else None
        self.instance.time_to_live = self.cleaned_data.get("give_up")


def _badge(cleaned: Mapping[str, Any]) -> dict[str, int]:
    names = {"set": "badge", "add": "badge_increment"}
    name = names.get(cleaned.get("badge_change") or "")
    return {name: cleaned["badge_number"]} if name else {}


def _give_up_choices(current: int | None) -> list[tuple[Any, Any]]:
    seconds = sorted({*GIVE_UP, *([current] if current else [])})
    longest = ("", gettext_lazy("As long as the provider keeps it (28 days)"))
    return [longest, *((value, duration(value)) for value in seconds)]


def _initial(notification: Notification) -> dict[str, Any]:
    content = notification.content
    initial: dict[str, Any] = {name: content.get(name, "") for name in TEXTS}
    initial["priority"] = content.get("priority") or Priority.HIGH.value
    initial["data"] = content.get("data") or None
    initial["mutable_content"] = content.get("mutable_content", False)
    initial["overrides"] = notification.overrides or None
    initial["when"] = LATER if notification.send_at else NOW
    if notification.send_at:
        initial["send_at"] = timezone.localtime(notification.send_at)
    initial["give_up"] = notification.time_to_live
    return {**initial, **_badge_initial(content), **_audience_initial(notification.audience)}


def _badge_initial(content: Mapping[str, Any]) -> dict[str, Any]:
    if content.get("badge") is not None:
        return {"badge_change": "set", "badge_number": content["badge"]}
    if content.get("badge_increment"):
        return {"badge_change": "add", "badge_number": content["badge_increment"]}
    return {}


def _audience_initial(audience: Mapping[str, Any]) -> dict[str, Any]:
    initial: dict[str, Any] = {"device_types": audience.get("device_types", [])}
    if audience.get("everyone") or set(audience) == {"device_types"}:
        return {**initial, "audience_kind": EVERYONE}
    for kind, separator in ((CHANNELS, ", "), (PEOPLE, "\n"), (DEVICES, "\n")):
        if audience.get(kind):
            return {**initial, "audience_kind": kind, kind: separator.join(audience[kind])}
    return initial
