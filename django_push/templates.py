"""Fields in a text: ``{{ name }}`` or ``{{ name|default:"there" }}``, and nothing else.

Not Django's template language: a text that staff or an API caller wrote must not be able to
call, loop or read anything it was not given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext as _

from .exceptions import InvalidPush

__all__ = ["render"]

_FIELD = re.compile(r"""\{\{\s*([A-Za-z_][\w.]*)\s*(?:\|\s*default:\s*"([^"]*)"\s*)?\}\}""")


def render(text: str, variables: Mapping[str, object]) -> str:
    """``text`` with its fields filled in.

    Raises :class:`~django_push.exceptions.InvalidPush` for a field that has neither a value nor
    a default.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        if variables.get(name) is not None:
            return str(variables[name])
        if default is None:
            raise InvalidPush(
                _(
                    "The text uses {{ %(name)s }}, which has no value. "
                    'Give it among the variables, or write {{ %(name)s|default:"…" }}.'
                )
                % {"name": name},
                code="unknown_variable",
                field="variables",
            )
        return str(default)

    return _FIELD.sub(value, text)
