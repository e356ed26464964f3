"""Looking into a JSON column, in the words of each database.

A *look* is a value in it: SQL for its kind and for itself. Where a look may be an array, a check
holds if it holds for one of the elements; arrays within arrays are values like any other.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from .dates import iso
from .sql import FALSE, SQL, Texts, fill, joined, parameter
from .tree import (
    ContainedBy,
    Equals,
    Exists,
    HasSize,
    Matches,
    OneOf,
    Ordered,
    Pointer,
    Value,
)

__all__ = ["JsonCheck", "Looks", "looks_of"]

ValueCheck: TypeAlias = Equals | OneOf | Ordered | Matches
JsonCheck: TypeAlias = ValueCheck | Exists | HasSize | ContainedBy


class Look(NamedTuple):
    kind: SQL
    """NULL when there is no such value."""
    value: SQL


class Looks(ABC):
    """One database's words."""

    vendor: str
    string: str
    numbers: str
    array: str = "{kind} = 'array'"
    object: str = "{kind} = 'object'"
    null: str = "{kind} = 'null'"

    def __init__(self) -> None:
        self._texts = Texts(self.vendor)

    def check(self, column: SQL, keys: Sequence[str], check: JsonCheck) -> SQL:
        """A check of what is at a path of names; TRUE or FALSE, never NULL."""
        look = self.at(column, keys)
        match check:
            case Exists():
                return fill("({kind} IS NOT NULL)", kind=look.kind)
            case HasSize(size):
                test = fill("{size} = {wanted}", size=self.size(look), wanted=parameter(size))
                return self._if(self.array, look, test, FALSE)
            case ContainedBy(values):
                found = self._any(column, keys, OneOf(values), negated=True)
                return fill("NOT {found}", found=self._if(self.array, look, found, FALSE))
        found = self._any(column, keys, check)
        test = self._if(self.array, look, found, self._never_null(self._holds(look, check)))
        if None in _values(check):
            return fill("({kind} IS NULL OR {test})", kind=look.kind, test=test)
        return test

    @abstractmethod
    def at(self, column: SQL, keys: Sequence[str]) -> Look: ...

    @abstractmethod
    def elements(self, column: SQL, keys: Sequence[str]) -> tuple[SQL, Look]:
        """The table of the elements of the array at a path, and one of them."""

    @abstractmethod
    def size(self, look: Look) -> SQL: ...

    @abstractmethod
    def text(self, look: Look) -> SQL:
        """The text that a string is."""

    @abstractmethod
    def number(self, look: Look) -> SQL:
        """What compares as a number with :meth:`numeral`."""

    @abstractmethod
    def numeral(self, value: float) -> SQL: ...

    @abstractmethod
    def flag(self, look: Look, value: bool) -> SQL: ...

    @abstractmethod
    def part(self, look: Look, name: str) -> Look:
        """A member of an object."""

    def _any(
        self, column: SQL, keys: Sequence[str], check: ValueCheck, *, negated: bool = False
    ) -> SQL:
        table, element = self.elements(column, keys)
        test = self._never_null(self._holds(element, check))
        test = fill("NOT {test}", test=test) if negated else test
        return fill("EXISTS (SELECT 1 FROM {table} WHERE {test})", table=table, test=test)

    @staticmethod
    def _never_null(test: SQL) -> SQL:
        return fill("COALESCE({test}, FALSE)", test=test)

    @staticmethod
    def _if(kind: str, look: Look, then: SQL, otherwise: SQL) -> SQL:
        """A guard: what is written for one kind of value may fail on another."""
        when = fill(kind, kind=look.kind)
        words = "CASE WHEN {when} THEN {then} ELSE {otherwise} END"
        return fill(words, when=when, then=then, otherwise=otherwise)

    def _holds(self, look: Look, check: ValueCheck) -> SQL:
        """A check of one value, whatever its kind."""
        match check:
            case Equals(value):
                return self._one_of(look, (value,))
            case OneOf(values):
                return self._one_of(look, values)
            case Ordered(order, datetime() as moment):
                return self._date(look, Ordered(order, iso(moment)))
            case Ordered(order, int() | float() as value):
                return self._numbers(look, order.value, self.numeral(value))
        return self._if(self.string, look, self._texts.check(self.text(look), check), FALSE)

    def _one_of(self, look: Look, values: tuple[Value, ...]) -> SQL:
        """One piece for all values of a kind: SQLite takes no more than a thousand in a row."""
        found = [self._special(look, value) for value in dict.fromkeys(filter(_is_single, values))]
        numbers = [value for value in values if _is_number(value)]
        if numbers:
            marks = [self.numeral(value) for value in numbers]  # type: ignore[arg-type]
            found.append(self._numbers(look, "IN", joined(marks, ", ")))
        texts = tuple(value for value in values if isinstance(value, str))
        if texts:
            test = self._texts.check(self.text(look), OneOf(texts))
            found.append(self._if(self.string, look, test, FALSE))
        dates = tuple(iso(value) for value in values if isinstance(value, datetime))
        if dates:
            found.append(self._date(look, OneOf(dates)))
        found += [self._pointers(look, *each) for each in _by_class(values).items()]
        return joined(found, " OR ")

    def _special(self, look: Look, value: Value) -> SQL:
        if isinstance(value, bool):
            return self.flag(look, value)
        return fill(self.null, kind=look.kind)

    def _pointers(self, look: Look, class_name: str, ids: list[str]) -> SQL:
        wanted = {
            "__type": Equals("Pointer"),
            "className": Equals(class_name),
            "objectId": OneOf(tuple(ids)),
        }
        return self._members(look, wanted)

    def _date(self, look: Look, check: OneOf | Ordered) -> SQL:
        return self._members(look, {"__type": Equals("Date"), "iso": check})

    def _members(self, look: Look, checks: dict[str, Any]) -> SQL:
        tests = [self._member(self.part(look, name), check) for name, check in checks.items()]
        return self._if(self.object, look, joined(tests, " AND "), FALSE)

    def _member(self, look: Look, check: Equals | OneOf | Ordered) -> SQL:
        return self._if(self.string, look, self._texts.check(self.text(look), check), FALSE)

    def _numbers(self, look: Look, word: str, wanted: SQL) -> SQL:
        test = fill(f"{{number}} {word} {{wanted}}", number=self.number(look), wanted=wanted)
        return self._if(self.numbers, look, test, FALSE)


_FEW, _MOST_IN_PATH = 4, 100
"""Values of a list that are looked for one by one, and that are written into one path."""


class Postgres(Looks):
    vendor = "postgresql"
    string = "{kind} = 'string'"
    numbers = "{kind} = 'number'"

    def check(self, column: SQL, keys: Sequence[str], check: JsonCheck) -> SQL:
        """Without a subquery where it can be said so: with one, PostgreSQL uses one core only."""
        match check:
            case Equals(str() | int() | float() | Pointer() as value):
                ways = [self._nested(keys, each) for each in (_plain(value), [_plain(value)])]
                pieces = [fill("{c} @> {way}::jsonb", c=column, way=parameter(w)) for w in ways]
                return joined(pieces, " OR ")
            case Equals(None):
                return self._path_check(column, keys, "==", (None,))
            case OneOf(values) if 0 < len(values) <= _FEW and all(map(_is_plain, values)):
                return self._contained(column, keys, values)
            case OneOf(values) if 0 < len(values) <= _MOST_IN_PATH and all(map(_is_scalar, values)):
                return self._path_check(column, keys, "==", values)
            case Ordered(order, str() | int() | float() as value):
                return self._path_check(column, keys, order.value, (value,))
        return super().check(column, keys, check)

    def _contained(self, column: SQL, keys: Sequence[str], values: Sequence[Value]) -> SQL:
        """An array contains the values in it and a value itself, says PostgreSQL: a third of the
        time of a path."""
        value = self.at(column, keys).value
        words = "{value} @> {wanted}::jsonb"
        pieces = [fill(words, value=value, wanted=parameter(json.dumps(each))) for each in values]
        return self._never_null(joined(pieces, " OR "))

    def _path_check(
        self, column: SQL, keys: Sequence[str], word: str, values: Sequence[Value]
    ) -> SQL:
        """By a path of SQL/JSON, whose comparisons have MongoDB's types, and order texts by code
        point. It is strict, since a lax one would look into arrays within arrays."""
        look = self.at(column, keys)
        test = " || ".join(f"@ {word} $v{number}" for number in range(len(values)))
        variables = json.dumps({f"v{number}": value for number, value in enumerate(values)})
        words = "jsonb_path_exists({value}, {path}::jsonpath, {variables}::jsonb)"
        each, whole = (
            fill(words, value=look.value, path=parameter(path), variables=parameter(variables))
            for path in (f"strict $[*] ? ({test})", f"strict $ ? ({test})")
        )
        found = self._never_null(self._if(self.array, look, each, whole))
        if None in values:
            return fill("({kind} IS NULL OR {found})", kind=look.kind, found=found)
        return found

    @staticmethod
    def _nested(keys: Sequence[str], value: Any) -> str:
        for key in reversed(keys):
            value = {key: value}
        return json.dumps(value)

    def at(self, column: SQL, keys: Sequence[str]) -> Look:
        value = column
        for key in keys:
            value = fill("({value} -> {key}::text)", value=value, key=parameter(key))
        return self._look(value)

    def elements(self, column: SQL, keys: Sequence[str]) -> tuple[SQL, Look]:
        words = "jsonb_array_elements({value}) AS element(item)"
        return fill(words, value=self.at(column, keys).value), self._look(SQL("element.item"))

    def size(self, look: Look) -> SQL:
        return fill("jsonb_array_length({value})", value=look.value)

    def text(self, look: Look) -> SQL:
        return fill("({value} #>> '{{}}')", value=look.value)

    def number(self, look: Look) -> SQL:
        return look.value

    def numeral(self, value: float) -> SQL:
        return SQL("%s::jsonb", (json.dumps(value),))

    def flag(self, look: Look, value: bool) -> SQL:
        return fill("{v} = {w}::jsonb", v=look.value, w=parameter(json.dumps(value)))

    def part(self, look: Look, name: str) -> Look:
        return self.at(look.value, [name])

    @staticmethod
    def _look(value: SQL) -> Look:
        return Look(fill("jsonb_typeof({value})", value=value), value)


class SQLite(Looks):
    vendor = "sqlite"
    string = "{kind} = 'text'"
    numbers = "{kind} IN ('integer', 'real')"

    def at(self, column: SQL, keys: Sequence[str]) -> Look:
        path = parameter(_path(keys))
        return Look(
            fill("json_type({column}, {path})", column=column, path=path),
            fill("json_extract({column}, {path})", column=column, path=path),
        )

    def elements(self, column: SQL, keys: Sequence[str]) -> tuple[SQL, Look]:
        path = parameter(_path(keys))
        table = fill("json_each({column}, {path}) AS element", column=column, path=path)
        return table, Look(SQL("element.type"), SQL("element.value"))

    def size(self, look: Look) -> SQL:
        return fill("json_array_length({value})", value=look.value)

    def text(self, look: Look) -> SQL:
        return look.value

    def number(self, look: Look) -> SQL:
        return look.value

    def numeral(self, value: float) -> SQL:
        return parameter(value)

    def flag(self, look: Look, value: bool) -> SQL:
        return fill("{kind} = {wanted}", kind=look.kind, wanted=parameter(json.dumps(value)))

    def part(self, look: Look, name: str) -> Look:
        return self.at(look.value, [name])


class MySQL(Looks):
    """MariaDB too."""

    vendor = "mysql"
    string = "{kind} = 'STRING'"
    numbers = "{kind} IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL')"
    array = "{kind} = 'ARRAY'"
    object = "{kind} = 'OBJECT'"
    null = "{kind} = 'NULL'"

    def at(self, column: SQL, keys: Sequence[str]) -> Look:
        words = "JSON_EXTRACT({column}, {path})"
        return self._look(fill(words, column=column, path=parameter(_path(keys))))

    def elements(self, column: SQL, keys: Sequence[str]) -> tuple[SQL, Look]:
        words = "JSON_TABLE({column}, {path} COLUMNS (item JSON PATH '$')) AS element"
        path = parameter(f"{_path(keys)}[*]")
        return fill(words, column=column, path=path), self._look(SQL("element.item"))

    def size(self, look: Look) -> SQL:
        return fill("JSON_LENGTH({value})", value=look.value)

    def text(self, look: Look) -> SQL:
        return fill("JSON_UNQUOTE({value})", value=look.value)

    def number(self, look: Look) -> SQL:
        return fill("CAST({value} AS DOUBLE)", value=look.value)

    def numeral(self, value: float) -> SQL:
        return parameter(float(value))

    def flag(self, look: Look, value: bool) -> SQL:
        words = "({kind} = 'BOOLEAN' AND CAST({value} AS CHAR) = {wanted})"
        return fill(words, **look._asdict(), wanted=parameter(json.dumps(value)))

    def part(self, look: Look, name: str) -> Look:
        return self.at(look.value, [name])

    @staticmethod
    def _look(value: SQL) -> Look:
        return Look(fill("JSON_TYPE({value})", value=value), value)


def looks_of(vendor: str) -> Looks:
    """For a database of Django's ``vendor``."""
    for words in (Postgres, MySQL):
        if words.vendor == vendor:
            return words()
    return SQLite()


def _path(keys: Sequence[str]) -> str:
    """Names have letters, digits, “_” and “-” only: none of them closes the quotes."""
    return "$" + "".join(f'."{key}"' for key in keys)


def _values(check: ValueCheck) -> tuple[Value, ...]:
    match check:
        case Equals(value):
            return (value,)
        case OneOf(values):
            return values
    return ()


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_single(value: Value) -> bool:
    """Whether there are no more than a few such values at all."""
    return value is None or isinstance(value, bool)


def _by_class(values: Sequence[Value]) -> dict[str, list[str]]:
    """The ids of the pointers, by the class that they point to."""
    found: dict[str, list[str]] = {}
    for value in values:
        if isinstance(value, Pointer):
            found.setdefault(value.class_name, []).append(value.object_id)
    return found


def _is_scalar(value: Value) -> bool:
    return value is None or _is_plain(value)


def _is_plain(value: Value) -> bool:
    return isinstance(value, str | int | float)


def _plain(value: Value) -> Any:
    """A value as JSON."""
    if isinstance(value, Pointer):
        return {"__type": "Pointer", "className": value.class_name, "objectId": value.object_id}
    return value
