"""Header blocks that come in: putting them together, and reading them (RFC 7541, RFC 9113 4.3)."""

import hpack

from .frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, Fault

LARGEST_BLOCK = 65_536
"""Bytes of one header block, encoded and decoded."""

MOST_CONTINUATIONS = 64
"""CONTINUATION frames after one HEADERS frame; an honest peer fills its frames."""

PLAIN_200 = 0x88
"""First byte of a block that begins with `:status: 200` from the static table."""

PLAIN_200_BYTE = bytes((PLAIN_200,))

Fields = list[tuple[bytes, bytes]]


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
        self._decoder = hpack.Decoder(max_header_list_size=LARGEST_BLOCK)
        self._acknowledged = False
        self.stateless = False

    def acknowledge(self) -> None:
        """The peer has acknowledged our SETTINGS."""
        self._acknowledged = True
        self._look()

    def decode(self, block: bytes) -> Fields:
        """The fields of a block. Any failure ends the connection (RFC 9113, 4.3)."""
        try:
            fields = [(name, value) for name, value in self._decoder.decode(block, raw=True)]
        except (hpack.HPACKError, IndexError, ValueError) as error:
            raise Fault(COMPRESSION_ERROR, f"header block: {error}") from error
        self._look()
        return fields

    def may_skip(self, block: bytes) -> bool:
        """Whether a block need not be decoded for the sake of those after it."""
        return self.stateless or _is_inert(block)

    def _look(self) -> None:
        if self._acknowledged and self._decoder.header_table_size == 0:
            self.stateless = True
            self._decoder.max_allowed_table_size = 0


def _is_inert(block: bytes) -> bool:
    """Whether a block surely leaves the dynamic table as it is (RFC 7541, 6).

    Decoding costs some 25 µs, mostly for Huffman codes; walking over the fields costs two.
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
                    return False
            elif first & 0x60 or first & 0x0F == 0x0F:
                return False  # incremental indexing, a size update, a long index
            else:
                for _ in range(1 if first & 0x0F else 2):  # the value, or name and value
                    size = block[position] & 0x7F
                    position += end if size == 0x7F else 1 + size
    except IndexError:
        return False
    return position == end
