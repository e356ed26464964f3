"""Reading a where: JSON into a small tree, or a refusal that names the operator or the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from .compile import Compiler
from .fields import FieldTable, Place
from .limits import Budget
from .operators import read_operators
from .refusal import refused, shown
from .tree import All, AnyOf, Equals, Node, Not, Test, places
from .values import read_value
from .words import in_words

__all__ = ["Where", "parse"]

_LOGICAL = ("$and", "$or", "$nor")


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on devices."""

    root: Node
    source: Mapping[str, Any] = field(hash=False)
    """As it was written; :func:`parse` reads it again."""

    def condition(
        self,
        rows: QuerySet[Any],
        scope: dict[str, Any],
        *,
        trust_claimed: bool = False,
        alone: bool = True,
    ) -> Q:
        """What ``rows`` are to be filtered by; see :class:`~.compile.Compiler`.

        ``alone``: beside it stands only what must hold too.
        """
        compiler = Compiler(rows, scope, trust_claimed=trust_claimed)
        return compiler.condition(self.root, alone=alone)

    def places(self) -> Iterator[Place]:
        """All fields that it asks about, some perhaps twice."""
        return places(self.root)

    def opposite(self) -> Where:
        """Finds whom this one does not."""
        return Where(Not(self.root), {"$nor": [dict(self.source)]})

    def in_words(self) -> str:
        """A sentence for people."""
        return in_words(self.root)


def parse(source: object, table: FieldTable, *, at: str = "audience.where") -> Where:
    """Read a where about the fields of ``table``; ``at`` is what errors call it.

    Raises :class:`~django_push.exceptions.InvalidPush` with a ``code`` and, as ``field``, the
    path of what is wrong.
    """
    root = _Reader(table).conditions(source, at, depth=1)
    return Where(root, dict(source))  # type: ignore[call-overload]


class _Reader:
    def __init__(self, table: FieldTable) -> None:
        self._table, self._budget = table, Budget()

    def conditions(self, source: object, at: str, depth: int) -> Node:
        """An object of conditions that must all hold."""
        self._budget.depth(depth, at)
        if not isinstance(source, Mapping):
            raise refused(_("A where must be an object."), code="wrong_type", at=at)
        if not source:
            text = _("This where is empty: it would mean every device.")
            raise refused(text, code="empty_audience", at=at)
        items = []
        for name, value in source.items():
            if not isinstance(name, str):
                raise refused(_("Names are texts."), code="wrong_type", at=at)
            read = self._logical if name.startswith("$") else self._field
            items.append(read(name, value, f"{at}.{shown(name)}", depth))
        return items[0] if len(items) == 1 else All(tuple(items))

    def _logical(self, name: str, value: object, at: str, depth: int) -> Node:
        if name not in _LOGICAL:
            text = _("“%(name)s” cannot stand here. Around fields there are: %(known)s.")
            words = {"name": shown(name), "known": ", ".join(_LOGICAL)}
            raise refused(text % words, code="unknown_operator", at=at)
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            text = _("%s takes a list of conditions that is not empty.")
            raise refused(text % name, code="wrong_type", at=at)
        items = tuple(
            self.conditions(item, f"{at}.{number}", depth + 1) for number, item in enumerate(value)
        )
        if name == "$and":
            return All(items)
        return AnyOf(items) if name == "$or" else Not(AnyOf(items))

    def _field(self, name: str, value: object, at: str, depth: int) -> Node:
        place = self._table.find(name)
        if place is None:
            text = _(
                "There can be no field “%(name)s”. There are: %(known)s; any other name, of the "
                "letters A to Z, digits, _ and -, with dots between, is one of the attributes."
            )
            words = {"name": shown(name), "known": ", ".join(self._table.names)}
            raise refused(text % words, code="unknown_field", at=at)
        if isinstance(value, Mapping) and any(str(key).startswith("$") for key in value):
            return self._operators(place, value, at, depth)
        self._budget.test(at)
        return Test(place, Equals(read_value(place, value, at, self._budget)))

    def _operators(self, place: Place, value: Mapping[str, Any], at: str, depth: int) -> Node:
        self._budget.depth(depth, at)
        items: list[Node] = []
        rest = {name: each for name, each in value.items() if name != "$not"}
        if "$not" in value:
            inner = value["$not"]
            if not isinstance(inner, Mapping) or not inner or "__type" in inner:
                text = _('$not takes operators, such as {"$not": {"$regex": "^a"}}.')
                raise refused(text, code="wrong_type", at=f"{at}.$not")
            items.append(Not(self._operators(place, inner, f"{at}.$not", depth + 1)))
        items += read_operators(place, rest, at, self._budget)
        return items[0] if len(items) == 1 else All(tuple(items))
