"""Controls of the composer's forms."""

from __future__ import annotations

from typing import Any

from django import forms

__all__ = ["area", "text", "wide"]


def wide(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "vTextField push-wide", "autocomplete": "off", **attrs})


def area(rows: int, **attrs: str) -> forms.Textarea:
    css = {"class": "vLargeTextField push-wide", "rows": str(rows), **attrs}
    return forms.Textarea(attrs=css)


def text(label: Any, help_text: Any = "", **attrs: str) -> forms.CharField:
    return forms.CharField(label=label, required=False, help_text=help_text, widget=wide(**attrs))
