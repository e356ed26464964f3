"""The form of a segment: conditions in rows for people, or JSON for who wants more.

Buttons that add and remove rows, or change between rows and JSON, post the form too; it then comes
back changed, and nothing is saved. So all of it works without a script.
"""

from __future__ import annotations

from typing import Any

import orjson
from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import ErrorDict
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..exceptions import InvalidPush
from ..models import Application, Segment
from ..models.segment import check_definition
from ..strict_json import UnfitJSON, read_json
from .json_field import StrictJSONField
from .rules.posted import Posted
from .rules.rules import MOST_ROWS, Place, Row, Rules, WrongRules, from_where, to_where
from .rules.shown import ShownRules

__all__ = ["AS_FORM", "AS_JSON", "SegmentForm", "rules_of"]

AS_FORM, AS_JSON, COUNT = "form", "json", "count"
BUTTON = "_rule"
"""The name of the buttons that change the form and save nothing."""


def rules_of(audience: Any) -> Rules | None:
    """The rows that show an audience; ``None`` when it holds more than a form shows."""
    if isinstance(audience, dict) and set(audience) == {"where"}:
        return from_where(audience["where"])
    return None


def as_json(audience: Any) -> str:
    """For people."""
    return orjson.dumps(audience, option=orjson.OPT_INDENT_2).decode()


# Generic in the stubs only: at run time ModelForm takes no parameter.
class SegmentForm(forms.ModelForm):  # type: ignore[type-arg]
    mode = forms.CharField(required=False, widget=forms.HiddenInput)
    raw = StrictJSONField(
        label=gettext_lazy("Audience as JSON"),
        required=False,
        indent=2,
        widget=forms.Textarea(
            attrs={"class": "vLargeTextField push-wide", "rows": "12", "spellcheck": "false"}
        ),
        help_text=gettext_lazy(
            'An audience, as the API takes it: {"where": {"badge": {"$gt": 0}}}.'
        ),
    )

    class Meta:
        model = Segment
        fields = ("application", "name", "key", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row_errors: dict[Place, str] = {}
        self.refusal = ""
        self.focus: Place | None = None
        if not self.instance.pk:
            self._prepare_new()
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 2
        self._show(self.instance.audience)
        if self.is_bound:
            self._take_post()

    def _prepare_new(self) -> None:
        self.fields["key"].required = False
        field: Any = self.fields["application"]
        for verb in ("add", "change", "delete", "view"):
            setattr(field.widget, f"can_{verb}_related", False)
        only = list(field.queryset[:2])
        if len(only) == 1:  # one application is no choice
            self.initial["application"] = only[0].pk
            field.widget = forms.HiddenInput()

    def _show(self, audience: Any) -> None:
        rules = rules_of(audience)
        self.initial["mode"] = AS_FORM if rules or not audience else AS_JSON
        self.initial["raw"] = audience or None
        self.rules = rules or Rules(rows=(Row(),))

    def _take_post(self) -> None:
        if self.shows_json:
            self.rules = Rules(rows=(Row(),))
        else:
            posted = Posted(self.data)
            self.focus = posted.change(self.verb)
            self.rules = posted.rules()
        if self.verb == AS_JSON and not self.shows_json:
            self._to_json()
        elif self.verb == AS_FORM and self.shows_json:
            self._to_form()

    @property
    def verb(self) -> str:
        """What a button asks for that saves nothing; empty for saving."""
        return str(self.data.get(BUTTON, "")) if self.is_bound else ""

    @property
    def shows_json(self) -> bool:
        said = self.data.get("mode") if self.is_bound else self.initial["mode"]
        return bool(said == AS_JSON)

    @property
    def chosen_application(self) -> Application | None:
        """The one that is posted, if the person may work with it."""
        if self.instance.pk or not self.is_bound:
            return self.instance.application if self.instance.application_id else None
        try:
            found = self.fields["application"].clean(self.data.get("application"))
        except ValidationError:
            return None
        return found if isinstance(found, Application) else None

    def posted_definition(self) -> dict[str, Any]:
        """:meth:`definition` of what is on the page, whatever else stands there."""
        try:
            typed = self.data.get("raw", "").strip()
            raw = read_json(typed) if typed and self.shows_json else None
        except UnfitJSON as error:
            raise InvalidPush(error.message, code=error.code, field="raw") from None
        return self.definition(raw)

    @property
    def shown(self) -> ShownRules:
        return ShownRules(self.rules, self.row_errors, self.focus)

    def _to_json(self) -> None:
        try:
            audience = {"where": to_where(self.rules)} if self.rules else {}
        except WrongRules as error:
            self.row_errors = dict(error.found)
            self.refusal = _("Complete the conditions first: JSON knows no unfinished ones.")
            return
        self._show_instead(mode=AS_JSON, raw=as_json(audience))

    def _to_form(self) -> None:
        try:
            audience = read_json(self.data.get("raw") or "{}")
        except UnfitJSON as error:
            self.refusal = error.message
            return
        rules = rules_of(audience)
        if rules is None and audience:
            self.refusal = _("The form cannot show this: it holds more than rows and groups can.")
            return
        self._show_instead(mode=AS_FORM)
        self.rules = rules or Rules(rows=(Row(),))

    def _show_instead(self, **values: str) -> None:
        """Other values than those that were posted."""
        data: Any = self.data
        self.data = data.copy()
        data = self.data
        for name, value in values.items():
            data[name] = value

    def is_valid(self) -> bool:
        return not self.verb and super().is_valid()

    def full_clean(self) -> None:
        if self.verb:  # the form comes back changed, not judged
            self._errors, self.cleaned_data = ErrorDict(), {}
        else:
            super().full_clean()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "key" in self.fields and not cleaned.get("key") and "key" not in self.errors:
            cleaned["key"] = slugify(cleaned.get("name", ""))[:64]
            if not cleaned["key"]:
                self.add_error("key", _("Give a key: none can be made of this name."))
        if "raw" not in self.errors:
            self._judge(cleaned)
        return cleaned

    def _judge(self, cleaned: dict[str, Any]) -> None:
        try:
            self.instance.audience = self.definition(cleaned.get("raw"))
        except WrongRules as error:
            self.row_errors = dict(error.found)
            self.add_error(None, _("Some conditions are not complete."))
        except InvalidPush as error:
            self.add_error("raw" if self.shows_json else None, error.message)

    def definition(self, raw: Any) -> dict[str, Any]:
        """The audience that the form says.

        Raises :class:`~.rules.WrongRules` for rows that are not filled in, and
        :class:`~django_push.exceptions.InvalidPush`.
        """
        if self.shows_json:
            return check_definition({} if raw is None else raw)
        if not self.rules:
            raise InvalidPush(_("Add a condition: without any, nobody is meant."))
        if len(self.rules) > MOST_ROWS:
            raise InvalidPush(_("At most %d conditions. Use a channel instead.") % MOST_ROWS)
        return check_definition({"where": to_where(self.rules)})
