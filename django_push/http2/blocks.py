"""Header blocks that come in: putting them together, and reading them (RFC 7541, RFC 9113 4.3)."""

from .decoder import Decoder
from .frames import ENHANCE_YOUR_CALM, Fault
from .static_table import Field

LARGEST_BLOCK = 65_536
"""Bytes of one header block as it comes; `decoder` limits what becomes of it."""

MOST_CONTINUATIONS = 64
"""CONTINUATION frames after one HEADERS frame; an honest peer fills its frames."""

PLAIN_200 = 0x88
"""First byte of a block that begins with `:status: 200` from the static table."""

PLAIN_200_BYTE = bytes((PLAIN_200,))

Fields = list[Field]


class OpenBlock:
    """A header block whose END_HEADERS has not come yet (RFC 9113, 6.10)."""

    __slots__ = ("_count", "_parts", "flags", "stream_id")

    def __init__(self, stream_id: int, flags: int, part: bytes) -> None:
        self.stream_id = stream_id
        self.flags = flags
        self._parts = bytearray(part)
        self._count = 0

    def add(self, part: bytes) -> None:
        """Append the payload of a CONTINUATION frame, within the limits."""
        self._count += 1
        self._parts += part
        if self._count > MOST_CONTINUATIONS or len(self._parts) > LARGEST_BLOCK:
            raise Fault(ENHANCE_YOUR_CALM, "a header block that does not end")

    def whole(self) -> bytes:
        """The block."""
        return bytes(self._parts)


class BlockReader:
    """The peer's half of the compression.

    We announce SETTINGS_HEADER_TABLE_SIZE=0. Until the peer has confirmed it, by a dynamic table
    size update to 0 after it acknowledged our SETTINGS (RFC 7541, 4.2), every block must be
    decoded, in order. Afterwards `stateless` is true: blocks hang on nothing before them, and one
    that is of no interest need not be decoded. A peer that never confirms is served all the same.
    """

    __slots__ = ("_acknowledged", "_decoder", "stateless")

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._acknowledged = False
        self.stateless = False

    def acknowledge(self) -> None:
        """The peer has acknowledged our SETTINGS."""
        self._acknowledged = True
        self._look()

    def decode(self, block: bytes) -> Fields:
        """The fields of a block. Any failure ends the connection (RFC 9113, 4.3)."""
        fields = self._decoder.decode(block)
        self._look()
        return fields

    def pass_over(self, block: bytes) -> None:
        """Keep the table right for the blocks after one of which nobody wants the fields."""
        if not self.stateless and not is_inert(block):
            self.decode(block)

    def _look(self) -> None:
        if self._acknowledged and self._decoder.table_size == 0:
            self.stateless = True
            self._decoder.largest_table = 0


def is_inert(block: bytes) -> bool:
    """Whether a block surely leaves the dynamic table as it is (RFC 7541, 6).

    Walking over the fields costs half of decoding them, since no Huffman code is read.
    True for indexed fields and literals without indexing; false also for what is rare or broken,
    which the decoder then sees.
    """
    position, end = 0, len(block)
    try:
        while position < end:
            first = block[position]
            position += 1
            if first & 0x80:
                if first == 0xFF:
                    return False  # a long index
            elif first & 0x60:
                return False  # incremental indexing, a size update
            else:
                if first & 0x0F == 0x0F:  # an index of 15 or more, as content-type has
                    position += 1 if block[position] < 0x80 else end
                for _ in range(1 if first & 0x0F else 2):  # the value, or name and value
                    size = block[position] & 0x7F
                    position += end if size == 0x7F else 1 + size
    except IndexError:
        return False
    return position == end
