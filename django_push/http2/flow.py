"""Flow control of what we send, and the bodies that wait for it (RFC 9113, 5.2 and 6.9)."""

from .frames import (
    DATA,
    DEFAULT_WINDOW,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    Fault,
    StreamFault,
    frame,
)


class _Upload:
    """The rest of a body, and its stream's window, which may be negative."""

    __slots__ = ("rest", "window")

    def __init__(self, rest: bytes, window: int) -> None:
        self.rest = rest
        self.window = window


class Sending:
    """Both windows, and the uploads that did not fit into them at once.

    A stream whose body went out whole is not known here: its window does not matter any more.
    """

    def __init__(self) -> None:
        self.window = DEFAULT_WINDOW
        """What the connection may still send, in bytes."""
        self.initial = DEFAULT_WINDOW
        """What a new stream may send."""
        self.uploads: dict[int, _Upload] = {}
        """Bodies not sent to their end, by stream, in the order of their requests."""

    def start(self, stream_id: int, body: bytes) -> list[bytes]:
        """DATA frames for as much of a new stream's body as fits now."""
        self.uploads[stream_id] = _Upload(body, self.initial)
        return self._push(stream_id)

    def grow(self, increment: int) -> list[bytes]:
        """WINDOW_UPDATE of the connection: the DATA frames that it lets out."""
        self.window += increment
        if self.window > LARGEST_WINDOW:
            raise Fault(FLOW_CONTROL_ERROR, "connection window above 2^31-1")
        return self._push_all()

    def grow_stream(self, stream_id: int, increment: int) -> list[bytes]:
        """WINDOW_UPDATE of a stream that is still sending."""
        upload = self.uploads[stream_id]
        upload.window += increment
        if upload.window > LARGEST_WINDOW:
            raise StreamFault(stream_id, FLOW_CONTROL_ERROR, "stream window above 2^31-1")
        return self._push(stream_id)

    def resize(self, initial: int) -> list[bytes]:
        """SETTINGS_INITIAL_WINDOW_SIZE moves the windows of open streams (RFC 9113, 6.9.2)."""
        change = initial - self.initial
        self.initial = initial
        for upload in self.uploads.values():
            upload.window += change
            if upload.window > LARGEST_WINDOW:
                raise Fault(FLOW_CONTROL_ERROR, "stream window above 2^31-1")
        return self._push_all() if change > 0 else []

    def drop(self, stream_id: int) -> bool:
        """Forget an upload; true when its body had not been sent to the end."""
        return self.uploads.pop(stream_id, None) is not None

    def _push_all(self) -> list[bytes]:
        frames: list[bytes] = []
        for stream_id in list(self.uploads):
            if self.window <= 0:
                break
            frames += self._push(stream_id)
        return frames

    def _push(self, stream_id: int) -> list[bytes]:
        upload = self.uploads[stream_id]
        frames = []
        while (size := min(upload.window, self.window, LARGEST_FRAME, len(upload.rest))) > 0:
            part, upload.rest = upload.rest[:size], upload.rest[size:]
            upload.window -= size
            self.window -= size
            frames.append(frame(DATA, 0 if upload.rest else END_STREAM, stream_id, part))
        if not upload.rest:
            del self.uploads[stream_id]
        return frames
