"""How the simulator misbehaves, and how it is told to (``PUT /behaviour``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .fates import PREFIX_LENGTH, PREFIXES, Fate

STATUSES = (400, 401, 403, 404, 410, 413, 429, 500, 503)
"""What ``status`` may be set to."""


class BehaviourError(ValueError):
    """An unknown key or a value that does not fit. Nothing was changed."""


def _natural(value: Any) -> bool:
    return type(value) is int and value >= 0


def _count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 2**31 - 1


def _flag(value: Any) -> bool:
    return type(value) is bool


def _word(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= 200


def _maybe(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _one_of(*choices: object) -> Callable[[Any], bool]:
    return lambda value: type(value) in (str, int) and value in choices


def _fates(value: Any) -> bool:
    return type(value) is dict and all(
        len(prefix) == PREFIX_LENGTH and fate in set(Fate) for prefix, fate in value.items()
    )


def _option(default: Any, check: Callable[[Any], bool], allowed: str) -> Any:
    return field(default=default, metadata={"check": check, "allowed": allowed})


_NUMBER = "a whole number from 0"
_EVERY = "a whole number from 0; 0 is never"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """Everything that can be set from outside; the defaults are a provider in good health."""

    latency_ms: int = _option(0, _natural, _NUMBER)
    """Every answer waits this long."""
    slow_ms: int = _option(2000, _natural, _NUMBER)
    """A ``510e`` token's answer waits this long."""
    status: int | None = _option(None, _maybe(_one_of(*STATUSES)), f"null or one of {STATUSES}")
    """Every push is answered with this status, in the provider's own form."""
    reason: str | None = _option(None, _maybe(_word), "null or the provider's word")
    """The word that goes with `status`; by default the usual one."""
    token_status: int | None = _option(
        None, _maybe(_one_of(*STATUSES)), f"null or one of {STATUSES}"
    )
    """As `status`, for the OAuth token endpoint."""
    retry_after: int | None = _option(None, _maybe(_natural), "null or seconds")
    """``retry-after`` of 429 and 503. Unset: FCM 60 and 10 seconds, APNs no such header."""
    unregistered_ago: int = _option(0, _natural, _NUMBER)
    """How long before now a 410's ``timestamp`` lies, in seconds."""
    goaway_every: int = _option(0, _natural, _EVERY)
    """GOAWAY behind every n-th push."""
    goaway_reason: str = _option("Shutdown", _word, "a word")
    """What the GOAWAY's debug data names."""
    rst_every: int = _option(0, _natural, _EVERY)
    """RST_STREAM instead of an answer, for every n-th push."""
    rst_code: int = _option(2, _natural, "an HTTP/2 error code")
    """Error code of that RST_STREAM: 2 INTERNAL_ERROR, 7 REFUSED_STREAM, 8 CANCEL."""
    close_every: int = _option(0, _natural, _EVERY)
    """The connection is cut at every n-th push, without a word."""
    stall: bool = _option(False, _flag, "true or false")
    """Pushes are read and not answered; they are answered once this is false again."""
    max_concurrent_streams: int | None = _option(None, _maybe(_count), "null or a number from 1")
    """A fixed limit, on live connections too. Unset: 1, then 500 as APNs does."""
    fall_to_one: bool = _option(False, _flag, "true or false")
    """The limit falls to 1 after a refused push and rises with the next accepted one."""
    credentials: str = _option(
        "accept", _one_of("accept", "refuse", "expire"), "accept, refuse or expire"
    )
    """``refuse`` every credential; ``expire`` those seen so far, new ones are accepted."""
    token_update_interval: int = _option(0, _natural, _NUMBER)
    """Seconds between two new JWTs of a key, else 429. Apple: 1200. 0 does not look."""
    fates: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "check": _fates,
            "allowed": f"an object of 4-character prefixes, each with one of {', '.join(Fate)}",
        },
    )
    """Further token prefixes, or other fates for those that exist."""

    def changed(self, document: object) -> Behaviour:
        """Return a copy with the keys of `document` (a JSON object) set.

        ``"reset": true`` sets everything else back first. Raises BehaviourError.
        """
        if not isinstance(document, dict):
            raise BehaviourError('Send a JSON object, for example {"latency_ms": 50}.')
        values = dict(document)
        again = values.pop("reset", False)
        if type(again) is not bool:
            raise BehaviourError("reset must be true or false.")
        known = {option.name: option.metadata for option in fields(self)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise BehaviourError(
                f"Unknown: {', '.join(unknown)}. Known: {', '.join(sorted(known))}, reset."
            )
        for name, value in values.items():
            if not known[name]["check"](value):
                raise BehaviourError(f"{name} must be {known[name]['allowed']}.")
        return replace(Behaviour() if again else self, **values)

    def document(self) -> dict[str, Any]:
        """Return all values as JSON types."""
        values = {option.name: getattr(self, option.name) for option in fields(self)}
        return {**values, "fates": dict(self.fates)}

    @property
    def disturbs(self) -> bool:
        """Whether pushes need more than to be judged and answered."""
        return bool(
            self.latency_ms
            or self.stall
            or self.goaway_every
            or self.rst_every
            or self.close_every
            or self.status
        )

    def fate_table(self) -> dict[bytes, Fate]:
        """Return the fate of each prefix that means something."""
        table = {**PREFIXES, **self.fates}
        return {prefix.encode(): Fate(fate) for prefix, fate in table.items()}
