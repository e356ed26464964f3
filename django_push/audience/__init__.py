"""The audience of a push: whom it is for, as plain JSON, compiled to one query.

An audience is ``{"everyone": true}`` or one or more of ``channels``, ``users``, ``installations``
(public ids), ``device_types``, ``segments`` (keys), ``where`` and ``lookups``. A list reads "any of
these"; several keys must all hold; ``exclude`` takes away. The queryset to narrow is passed in:
this package knows no models. ``docs/audience.md`` is the page for users.
"""

from .query import compile_audience
from .reading import MAX_ITEMS
from .size import check_size
from .values import Audience, Definition, Exclusion, names_people

__all__ = [
    "MAX_ITEMS",
    "Audience",
    "Definition",
    "Exclusion",
    "check_size",
    "compile_audience",
    "names_people",
]
