"""Header fields: literals, templates, and what the peer's dynamic table holds (RFC 7541).

Nothing is Huffman coded: the bytes are cheap and the coding is not.
"""

import re
from collections import deque
from collections.abc import Sequence

from .static_table import (
    DEFAULT_TABLE_SIZE,
    ENTRY_OVERHEAD,
    FIRST_DYNAMIC,
    STATIC_TABLE,
    Field,
)

LARGEST_TABLE = DEFAULT_TABLE_SIZE
"""The most we ever use of the peer's header table, in bytes."""

_STATIC_FIELDS: dict[Field, int] = {}
_STATIC_NAMES: dict[bytes, int] = {}
for _number, (_name, _value) in enumerate(STATIC_TABLE, 1):
    _STATIC_FIELDS[_name, _value] = _number
    _STATIC_NAMES.setdefault(_name, _number)

_NAME = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[ -~\x80-\xff]*[!-~\x80-\xff])?)?")
_CONNECTION_SPECIFIC = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)


def integer(number: int, bits: int, pattern: int) -> bytes:
    """`number` with a prefix of `bits` bits under the bit pattern (RFC 7541, 5.1)."""
    limit = (1 << bits) - 1
    if number < limit:
        return bytes((pattern | number,))
    out = bytearray((pattern | limit,))
    number -= limit
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _string(value: bytes) -> bytes:
    """A string literal without Huffman coding (RFC 7541, 5.2)."""
    return integer(len(value), 7, 0) + value


def _new_name(bits: int, pattern: int, name: bytes) -> bytes:
    """The name of a literal: an index into the static table when there is one."""
    known = _STATIC_NAMES.get(name)
    return integer(known, bits, pattern) if known else bytes((pattern,)) + _string(name)


def _checked_name(name: str | bytes) -> bytes:
    raw = name.encode() if isinstance(name, str) else name
    if not _NAME.fullmatch(raw):
        raise ValueError(
            f"{name!r} is not a field name of HTTP/2: "
            "write it in lower case, without spaces and control characters (RFC 9113, 8.2.1)"
        )
    if raw in _CONNECTION_SPECIFIC:
        raise ValueError(f"{name!r} has no place in HTTP/2: leave it out (RFC 9113, 8.2.2)")
    return raw


def _checked_value(name: str | bytes, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    if not _VALUE.fullmatch(raw):
        # The value itself may be a secret.
        raise ValueError(
            f"the value of {name!r} has a control character or a space at its ends: "
            "remove it (RFC 9113, 8.2.1)"
        )
    return raw


_LITERAL_NAMES: dict[str | bytes, bytes] = {}
"""Names already checked and encoded; bounded, because names come from code."""


def _literal_name(name: str | bytes) -> bytes:
    encoded = _new_name(4, 0x00, _checked_name(name))
    if len(_LITERAL_NAMES) < 256:
        _LITERAL_NAMES[name] = encoded
    return encoded


def literal(name: str | bytes, value: str | bytes) -> bytes:
    """One field as an HPACK literal without indexing (RFC 7541, 6.2.2).

    It holds on every connection. Text is encoded as UTF-8. Raises ValueError for names in upper
    case, control characters, and values that begin or end with a space.
    """
    start = _LITERAL_NAMES.get(name) or _literal_name(name)
    raw = _checked_value(name, value)
    size = len(raw)
    if size < 127:
        return b"%b%c%b" % (start, size, raw)
    return start + _string(raw)


class Template:
    """Header fields that a run of requests shares; immutable, compared by identity.

    `pseudo` holds `:method`, `:scheme`, `:authority`, and `:path` when it is constant; `regular`
    the rest. On each connection the fields go once into the peer's dynamic table and cost one
    byte each afterwards. That includes `authorization`: RFC 7541, 7.1.3 warns of tables shared
    with an attacker who can put guesses beside a secret and watch the length; here one sender
    writes all fields of the connection and none is compressed against another, so there is
    nothing to guess with.

    Raises ValueError for bad names and values, and for fields in the wrong list.
    """

    __slots__ = ("pseudo", "regular")

    def __init__(
        self, pseudo: Sequence[tuple[str, str]], regular: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.pseudo = _checked_fields(pseudo)
        self.regular = _checked_fields(regular)
        for name, _ in self.pseudo:
            if not name.startswith(b":"):
                raise ValueError(f"{name.decode()!r} is no pseudo-header: put it into regular")
        for name, _ in self.regular:
            if name.startswith(b":"):
                raise ValueError(f"{name.decode()!r} is a pseudo-header: put it into pseudo")


def _checked_fields(fields: Sequence[tuple[str, str]]) -> tuple[Field, ...]:
    return tuple((_checked_name(name), _checked_value(name, value)) for name, value in fields)


Prefix = tuple[bytes, bytes]
"""A template as bytes: what comes before the path of a request, and what comes after it."""


class Encoder:
    """Our half of one connection's compression: what the peer's dynamic table holds.

    RFC 7541, 2.3.2 and 4. Only templates enter the table; requests bring literals.
    """

    def __init__(self) -> None:
        self._limit = DEFAULT_TABLE_SIZE
        self._size = 0
        self._entries: deque[Field] = deque()  # the oldest first
        self._inserted = 0  # entries ever inserted; the next one gets this number
        self._numbers: dict[Field, int] = {}
        self._announce: list[int] = []
        self._prefixes: dict[Template, Prefix] = {}  # emptied when an index moves

    def resize(self, allowed: int) -> None:
        """Obey the peer's SETTINGS_HEADER_TABLE_SIZE (RFC 7541, 4.2).

        The next header block says so first: the smallest size in between, and the last one.
        """
        limit = min(allowed, LARGEST_TABLE)
        if limit == self._limit:
            return
        self._limit = limit
        self._announce = [size for size in self._announce[:1] if size < limit] + [limit]
        self._evict(0)
        self._prefixes.clear()

    def prefix(self, template: Template) -> tuple[Prefix, bool]:
        """The template's bytes for the next header block, which must be sent.

        The second value tells whether the same bytes will do for the blocks after it as well.
        """
        known = self._prefixes.get(template)
        if known is not None:
            return known, True
        inserted = self._inserted
        updates = b"".join(integer(size, 5, 0x20) for size in self._announce)
        self._announce.clear()
        prefix = self._encode(template)
        if updates or self._inserted != inserted:
            return (updates + prefix[0], prefix[1]), False
        if len(self._prefixes) >= 16:  # templates come and go with their tokens
            self._prefixes.clear()
        self._prefixes[template] = prefix
        return prefix, True

    def _encode(self, template: Template) -> Prefix:
        # A template larger than the table would push its own first fields out with its last ones,
        # again and again; what does not fit stays a literal.
        budget = self._limit
        halves = []
        for fields in (template.pseudo, template.regular):
            half = b""
            for field in fields:
                size = _entry_size(field)
                if field in _STATIC_FIELDS:
                    half += integer(_STATIC_FIELDS[field], 7, 0x80)
                elif size <= budget:
                    budget -= size
                    half += self._indexed(field, size)
                else:
                    half += _new_name(4, 0x00, field[0]) + _string(field[1])
            halves.append(half)
        return halves[0], halves[1]

    def _indexed(self, field: Field, size: int) -> bytes:
        number = self._numbers.get(field)
        if number is not None:
            return integer(FIRST_DYNAMIC + self._inserted - 1 - number, 7, 0x80)
        self._evict(size)
        self._entries.append(field)
        self._numbers[field] = self._inserted
        self._inserted += 1
        self._size += size
        self._prefixes.clear()
        return _new_name(6, 0x40, field[0]) + _string(field[1])

    def _evict(self, needed: int) -> None:
        while self._size + needed > self._limit and self._entries:
            field = self._entries.popleft()
            self._size -= _entry_size(field)
            del self._numbers[field]


def _entry_size(field: Field) -> int:
    return len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
