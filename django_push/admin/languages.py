"""The message in other languages: one row a language in the composer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.formsets import BaseFormSet, formset_factory
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..messages import _LOCALE

__all__ = ["LanguageFormSet"]


class LanguageForm(forms.Form):
    tag = forms.RegexField(
        _LOCALE,
        label=gettext_lazy("Language"),
        required=False,
        max_length=35,
        help_text=gettext_lazy("Such as de or pt-BR."),
        error_messages={"invalid": gettext_lazy("Write a language such as de or pt-BR.")},
        widget=forms.TextInput(attrs={"size": "7", "autocomplete": "off"}),
    )
    title = forms.CharField(
        label=gettext_lazy("Title"),
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField push-wide"}),
    )
    body = forms.CharField(
        label=gettext_lazy("Text"),
        required=False,
        widget=forms.Textarea(attrs={"class": "vLargeTextField push-wide", "rows": "2"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        written = cleaned.get("title") or cleaned.get("body")
        if written and not cleaned.get("tag") and "tag" not in self.errors:
            self.add_error("tag", _("Say which language this is."))
        return cleaned


class _Base(BaseFormSet):  # type: ignore[type-arg]
    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        if data is not None and f"{kwargs['prefix']}-TOTAL_FORMS" not in data:
            data = None  # posted by a page without languages, such as a script's
        self.kept = kwargs.get("initial") or []
        if data is not None:
            # A row that equals its initial value counts as untouched, thus as empty.
            kwargs["initial"] = None
        super().__init__(data, **kwargs)

    @staticmethod
    def rows(texts: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
        """What the forms show for the ``texts`` of a notification."""
        return [{"tag": tag, **found} for tag, found in texts.items()]

    def is_valid(self) -> bool:
        return not self.is_bound or super().is_valid()

    def texts(self) -> dict[str, dict[str, str]]:
        """What a notification keeps: a row that was emptied is a language that is gone."""
        if not self.is_bound:
            return {row["tag"]: _written(row) for row in self.kept}
        rows = [form.cleaned_data for form in self.forms if form.cleaned_data.get("tag")]
        subtitles = {row["tag"]: row["subtitle"] for row in self.kept if row.get("subtitle")}
        return {
            row["tag"]: _written({**row, "subtitle": subtitles.get(row["tag"], "")})
            for row in rows
            if _written(row)
        }


def _written(row: Mapping[str, str]) -> dict[str, str]:
    return {name: row[name] for name in ("title", "subtitle", "body") if row.get(name)}


LanguageFormSet: Any = formset_factory(LanguageForm, formset=_Base, extra=1, max_num=60)
