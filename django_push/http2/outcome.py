"""What becomes of requests: the values that the client hands back."""

from dataclasses import dataclass, field
from typing import NamedTuple

Request = tuple[int, bytes, bytes, bytes]
"""`(key, path, extra, body)`.

`key` is the caller's own integer and comes back in the outcome. `path` is `literal(":path", ...)`,
or `b""` when the template has it. `extra` is any number of `literal()` fields, concatenated.
`body` is the payload, `b""` for none.
"""


class Answer(NamedTuple):
    """A complete answer that is not a plain 200."""

    key: int
    status: int
    headers: dict[str, str]
    """Names in lower case, without `:status`; a repeated field is joined with ", "."""
    body: bytes
    """At most `max_body` bytes: a longer body is cut there and its stream reset."""


class Lost(NamedTuple):
    """A request without an answer."""

    key: int
    sent: bool
    """False: the peer certainly did not process it (GOAWAY, REFUSED_STREAM, never written) and
    repeating it elsewhere did not help. True: nobody knows (connection lost, timeout, reset)."""
    reason: str
    """Why, in words."""


@dataclass(slots=True)
class Outcome:
    """Everything that was decided since the last look. Each key appears in it exactly once."""

    ok: list[int] = field(default_factory=list)
    """Keys of requests answered with 200; their bodies are not kept."""
    answers: list[Answer] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ok or self.answers or self.lost)

    def __len__(self) -> int:
        return len(self.ok) + len(self.answers) + len(self.lost)

    def extend(self, other: "Outcome") -> None:
        """Append what `other` holds."""
        self.ok += other.ok
        self.answers += other.answers
        self.lost += other.lost
