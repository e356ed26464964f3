"""The composer's form: between the fields that people fill in and a :class:`Notification`.

A draft may be unfinished, so the form refuses only what cannot be kept. What is still missing
before a message may be sent is told by :mod:`django_push.admin.preflight`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..exceptions import InvalidPush
from ..messages import Message, Priority
from ..models import Notification
from .audience_form import RAW, AudienceForm, audience_initial, write_audience
from .json_field import StrictJSONField
from .languages import LanguageFormSet
from .purpose_form import PurposeForm, purpose_initial, write_purpose
from .schedule_form import ScheduleForm, give_up_choices, schedule_initial, write_schedule
from .widgets import area, text, wide

__all__ = ["ComposeForm"]

SHOWN = ("title", "subtitle", "body", "link", "image")
TEXTS = (
    *SHOWN,
    *("sound", "category", "thread_id", "android_channel_id"),
    *("collapse_id", "interruption_level", "priority"),
)
MANAGED = {*TEXTS, "badge", "badge_increment", "data", "mutable_content"}
"""What the form writes into ``content``; everything else in it is kept."""


# Forms are generic in the stubs only: at run time ModelForm takes no parameter.
class ComposeForm(forms.ModelForm, AudienceForm, ScheduleForm, PurposeForm):  # type: ignore[type-arg]
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
    # The stubs know `data` as the form's input; a field of that name is taken out of the class.
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
        # The stubs know a Field there, not the ChoiceField that it is.
        self.fields["give_up"].choices = give_up_choices(instance.time_to_live)  # type: ignore[attr-defined]
        for name, value in {**_initial(instance), **self.initial}.items():
            self.initial.setdefault(name, value)
        self.languages = LanguageFormSet(
            self.data or None, prefix="lang", initial=LanguageFormSet.rows(instance.texts)
        )
        self._fix_application()

    def _fix_application(self) -> None:
        """One application is no choice."""
        field: Any = self.fields["application"]
        self.offer_segments(field.queryset)
        self.offer_purposes(field.queryset, self.instance)
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
        self.clean_schedule(cleaned)
        return cleaned

    def _post_clean(self) -> None:
        # Private to Django, so the stubs leave it out.
        super()._post_clean()  # type: ignore[misc]
        if self.errors or not self.languages.is_valid():
            return
        self._check("content", self._write_content)
        self._check("audience", self._write_audience)
        self._check("schedule", self._write_schedule)
        self._check("purpose", self._write_purpose)

    def _check(self, part: str, write: Any) -> None:
        try:
            write()
        except InvalidPush as error:
            field = error.field.removeprefix("audience.")
            if part == "audience" and self.cleaned_data.get("audience_kind") == RAW:
                field = "raw"
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
        write_audience(self.instance, self.cleaned_data)

    def _write_schedule(self) -> None:
        write_schedule(self.instance, self.cleaned_data)

    def _write_purpose(self) -> None:
        write_purpose(self.instance, self.cleaned_data)


def _badge(cleaned: Mapping[str, Any]) -> dict[str, int]:
    names = {"set": "badge", "add": "badge_increment"}
    name = names.get(cleaned.get("badge_change") or "")
    return {name: cleaned["badge_number"]} if name else {}


def _initial(notification: Notification) -> dict[str, Any]:
    content = notification.content
    initial: dict[str, Any] = {name: content.get(name, "") for name in TEXTS}
    initial["priority"] = content.get("priority") or Priority.HIGH.value
    initial["data"] = content.get("data") or None
    initial["mutable_content"] = content.get("mutable_content", False)
    initial["overrides"] = notification.overrides or None
    initial |= schedule_initial(notification) | purpose_initial(notification)
    return {**initial, **_badge_initial(content), **audience_initial(notification)}


def _badge_initial(content: Mapping[str, Any]) -> dict[str, Any]:
    if content.get("badge") is not None:
        return {"badge_change": "set", "badge_number": content["badge"]}
    if content.get("badge_increment"):
        return {"badge_change": "add", "badge_number": content["badge_increment"]}
    return {}
