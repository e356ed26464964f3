"""Header blocks back into fields: the reading half of HPACK (RFC 7541).

Ours, because the one in the `hpack` library costs 26 to 50 µs for the answer of APNs or FCM to one
request, and this one 2 to 5. `tests/unit/http2/test_decoder.py` holds it against that library.
"""

from collections import deque

from . import huffman
from .frames import COMPRESSION_ERROR, Fault
from .static_table import DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD, FIRST_DYNAMIC, STATIC_TABLE, Field

LARGEST_LIST = 65_536
"""Bytes of all fields of one block, each counted with `ENTRY_OVERHEAD`: a block of a few bytes can
name a large field of the table again and again."""

_LONGEST_INTEGER = 5
"""Bytes after the prefix of an integer; 2^35 is more than anything here can be."""

_NO_FIELD: Field = (b"", b"")
_STATIC = (_NO_FIELD, *STATIC_TABLE)


class Decoder:
    """What the peer has put into the dynamic table of a connection, and the blocks that use it.

    `table_size`: the limit that the peer has chosen for the table, in bytes. `largest_table`: what
    it may choose at most.
    """

    __slots__ = ("_block", "_dynamic", "_position", "_used", "largest_table", "table_size")

    def __init__(self) -> None:
        self.table_size = DEFAULT_TABLE_SIZE
        self.largest_table = DEFAULT_TABLE_SIZE
        self._dynamic: deque[Field] = deque()  # the newest first
        self._used = 0
        self._block = b""
        self._position = 0

    def decode(self, block: bytes) -> list[Field]:
        """The fields of the next block; Fault when it is malformed, which ends the connection."""
        self._block, self._position = block, 0
        try:
            self._read_updates()
            return self._read_fields()
        except IndexError as error:
            raise _fault("cut short, or an index beyond the table") from error
        except ValueError as error:
            raise _fault(str(error)) from error

    def _read_updates(self) -> None:
        """Dynamic table size updates, which only the beginning of a block may hold (4.2, 6.3)."""
        block = self._block
        while self._position < len(block) and block[self._position] & 0xE0 == 0x20:
            size = self._integer(0x1F)
            if size > self.largest_table:
                raise _fault(f"a header table of {size} bytes")
            self.table_size = size
            self._evict(0)

    def _read_fields(self) -> list[Field]:
        fields: list[Field] = []
        block, end, room = self._block, len(self._block), LARGEST_LIST
        while self._position < end:
            first = block[self._position]
            if first & 0x80:
                field = self._field(self._integer(0x7F))
            elif first & 0x40:
                field = self._literal(0x3F)
                self._insert(field)
            elif first & 0x20:
                raise _fault("a table size update after a field")
            else:
                field = self._literal(0x0F)
            fields.append(field)
            room -= len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
            if room < 0:
                raise _fault("too many header fields")
        return fields

    def _field(self, index: int) -> Field:
        """The field with this index in both tables (2.3.3)."""
        if index >= FIRST_DYNAMIC:
            return self._dynamic[index - FIRST_DYNAMIC]
        if not index:
            raise _fault("index 0")
        return _STATIC[index]

    def _literal(self, mask: int) -> Field:
        """A field with its name by index or spelled out, and its value spelled out (6.2)."""
        index = self._integer(mask)
        name = self._field(index)[0] if index else self._string()
        return name, self._string()

    def _integer(self, mask: int) -> int:
        """An integer whose prefix has the bits of `mask` (5.1)."""
        block = self._block
        number = block[self._position] & mask
        self._position += 1
        if number < mask:
            return number
        for shift in range(0, 7 * _LONGEST_INTEGER, 7):
            byte = block[self._position]
            self._position += 1
            number += (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise _fault("an integer that does not end")

    def _string(self) -> bytes:
        """A string, Huffman coded or not (5.2)."""
        coded = self._block[self._position] & 0x80
        size = self._integer(0x7F)
        start, self._position = self._position, self._position + size
        if self._position > len(self._block):
            raise _fault("a string cut short")
        string = self._block[start : self._position]
        return huffman.decode(string) if coded else string

    def _insert(self, field: Field) -> None:
        """Make the field the newest of the table, unless it alone is too large for it (4.4)."""
        size = len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
        self._evict(size)
        if size <= self.table_size:
            self._dynamic.appendleft(field)
            self._used += size

    def _evict(self, needed: int) -> None:
        """Drop the oldest fields until `needed` bytes more have their place (4.3, 4.4)."""
        while self._dynamic and self._used + needed > self.table_size:
            name, value = self._dynamic.pop()
            self._used -= len(name) + len(value) + ENTRY_OVERHEAD


def _fault(text: str) -> Fault:
    return Fault(COMPRESSION_ERROR, f"header block: {text}")
