"""JSON that people type: what cannot be stored or sent is told at the field."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

from ..strict_json import UnfitJSON, read_json

__all__ = ["StrictJSONField"]


class StrictJSONField(forms.JSONField):
    """Django's own lets NaN, NUL and lone surrogates through, and fails on deep nesting."""

    def __init__(self, *, indent: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.indent = indent
        """Spaces by which each level stands in when it is shown; ``None``: all in one line."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, InvalidJSONInput):
            return value
        return json.dumps(value, indent=self.indent, ensure_ascii=False, cls=self.encoder)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value and not self.disabled:
            try:
                read_json(value)
            except UnfitJSON as error:
                raise ValidationError(error.message, code=error.code) from None
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        if isinstance(data, str) and not self.disabled:
            try:
                read_json(data)
            except UnfitJSON:
                return InvalidJSONInput(data)  # comes back as it was typed
        return super().bound_data(data, initial)
