"""Frames of HTTP/2: numbers, packers and the error that ends a connection (RFC 9113)."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first (RFC 9113, 3.4)."""

# Frame types (RFC 9113, 6)
DATA = 0
HEADERS = 1
PRIORITY = 2
RST_STREAM = 3
SETTINGS = 4
PUSH_PROMISE = 5
PING = 6
GOAWAY = 7
WINDOW_UPDATE = 8
CONTINUATION = 9

# Flags
ACK = 0x1
END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

# Settings (RFC 9113, 6.5.2)
HEADER_TABLE_SIZE = 1
ENABLE_PUSH = 2
MAX_CONCURRENT_STREAMS = 3
INITIAL_WINDOW_SIZE = 4
MAX_FRAME_SIZE = 5

# Error codes (RFC 9113, 7)
NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
FLOW_CONTROL_ERROR = 0x3
SETTINGS_TIMEOUT = 0x4
STREAM_CLOSED = 0x5
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB

_ERROR_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)

HEADER_SIZE = 9
"""Bytes before the payload of every frame."""

LARGEST_FRAME = 16_384
"""The largest payload we send and accept: SETTINGS_MAX_FRAME_SIZE may not be set lower, and we
have no use for more."""

LARGEST_ID = 2**31 - 1
"""The last stream id, and the mask that drops the reserved bit."""

LARGEST_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535

SHORT_HEADER = struct.Struct(">xHHI")
"""Frame header for payloads below 64 KiB: length, type and flags in one number, stream id."""

SPLIT_HEADER = struct.Struct(">BHHI")
"""The same for reading: high byte of the length, rest of the length, type and flags, stream id."""

_UINT32 = struct.Struct(">I")
_SETTING = struct.Struct(">HI")
_GOAWAY = struct.Struct(">II")


class Fault(Exception):
    """The peer broke the protocol; the connection ends with `code` in our GOAWAY."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class StreamFault(Exception):
    """The peer broke the protocol on one stream; that stream is reset with `code`."""

    def __init__(self, stream_id: int, code: int, text: str) -> None:
        super().__init__(text)
        self.stream_id = stream_id
        self.code = code


def error_name(code: int) -> str:
    """The name of an error code, or its number in hexadecimal when it is not a known one."""
    return _ERROR_NAMES[code] if code < len(_ERROR_NAMES) else f"{code:#x}"


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One frame; the payload must not be longer than `LARGEST_FRAME`."""
    return SHORT_HEADER.pack(len(payload), kind << 8 | flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*pair) for pair in values.items()))


def window_update(stream_id: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream_id, _UINT32.pack(increment))


def rst_stream(stream_id: int, code: int) -> bytes:
    """An RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, _UINT32.pack(code))


def goaway(code: int, text: str = "") -> bytes:
    """Our GOAWAY. The last stream id is 0: a client that refuses pushes has processed none."""
    return frame(GOAWAY, 0, 0, _GOAWAY.pack(0, code) + text.encode()[:256])


def read_uint32(payload: bytes, what: str) -> int:
    """The number that is the whole payload of `what` (RST_STREAM, WINDOW_UPDATE)."""
    if len(payload) != 4:
        raise Fault(FRAME_SIZE_ERROR, f"{what} of {len(payload)} bytes")
    (number,) = _UINT32.unpack(payload)
    return int(number)


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The pairs of a SETTINGS payload, in order (RFC 9113, 6.5.1 and 6.5.2)."""
    if len(payload) % 6:
        raise Fault(FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    pairs = list(_SETTING.iter_unpack(payload))
    for name, value in pairs:
        if name == ENABLE_PUSH and value:
            raise Fault(PROTOCOL_ERROR, f"a server may not set ENABLE_PUSH to {value}")
        if name == INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW:
            raise Fault(FLOW_CONTROL_ERROR, f"INITIAL_WINDOW_SIZE of {value}")
        if name == MAX_FRAME_SIZE and not LARGEST_FRAME <= value < 2**24:
            raise Fault(PROTOCOL_ERROR, f"MAX_FRAME_SIZE of {value}")
    return pairs


def read_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """Last stream id, error code and debug data of a GOAWAY payload (RFC 9113, 6.8)."""
    if len(payload) < 8:
        raise Fault(FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
    last_id, code = _GOAWAY.unpack_from(payload)
    return last_id & LARGEST_ID, code, payload[8:]


def unpad(flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without its padding (RFC 9113, 6.1)."""
    if not flags & PADDED:
        return payload
    if not payload:
        raise Fault(FRAME_SIZE_ERROR, "a padded frame without its pad length")
    end = len(payload) - payload[0]
    if end < 1:
        raise Fault(PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1:end]
