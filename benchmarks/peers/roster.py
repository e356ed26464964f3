"""The peers: which library, in which mode, in which environment, on how many devices."""

from dataclasses import dataclass, replace

from benchmarks.peers.environments import Environment, Node, Python
from benchmarks.peers.rows import WORST

SLOW, SLOWER, SLOWEST = 4, 10, 40
"""Peers of hundreds of microseconds a device get a fourth of the devices, those that need a
millisecond a tenth: otherwise the whole would take hours."""

AT_THE_WORST = {
    "pycurl": SLOW,
    "node-apn": SLOW,
    "parse-server": SLOW,
    "django-push-notifications-cut": SLOWER,
    "aioapns": SLOWEST,
}
"""The peers that are measured in the conditions of `rows.WORST` too. The loop on `h2` is not: it
would have to learn what a library is for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A library in one mode."""

    name: str
    title: str
    kind: str
    environment: Environment
    arguments: tuple[str, ...]
    """For `environment.command`."""
    mode: str
    """What the table says beside its title."""
    divisor: int = 1
    """By which the number of devices is divided."""
    group: str = "library"
    language: str = "Python"
    against: str = "ours"
    """The row of ours in whose conditions it is measured."""

    def command(self) -> list[str]:
        """What to start."""
        return self.environment.command(*self.arguments)


_DPN = Python("django-push-notifications")
_FIREBASE = Python("firebase")

_IN_GOOD_WEATHER = (
    Peer(
        name="pycurl",
        title="pycurl 7.49",
        kind="apns",
        environment=Python("pycurl"),
        arguments=("apns_pycurl",),
        mode="libcurl multi, HTTP/2, 500 handles",
        language="C",
        group="client",
    ),
    Peer(
        name="node-apn",
        title="@parse/node-apn 8.1",
        kind="apns",
        environment=Node("apn"),
        arguments=(),
        mode="Provider.send, 500 tokens a call",
        language="JavaScript",
    ),
    Peer(
        name="h2",
        title="h2 4.4 + asyncio",
        kind="apns",
        environment=Python("httpx"),
        arguments=("apns_h2",),
        mode="by hand, one connection, no retry",
        group="client",
    ),
    Peer(
        name="aioapns",
        title="aioapns 4.0",
        kind="apns",
        environment=Python("aioapns"),
        arguments=("apns_aioapns",),
        mode="gather, 5,000 at a time",
        divisor=SLOW,
    ),
    Peer(
        name="httpx",
        title="httpx 0.28",
        kind="apns",
        environment=Python("httpx"),
        arguments=("apns_httpx",),
        mode="HTTP/2, gather, 500 at a time",
        divisor=SLOWER,
        group="client",
    ),
    Peer(
        name="django-push-notifications",
        title="django-push-notifications 3.3",
        kind="apns",
        environment=_DPN,
        arguments=("django_push_notifications", "apns"),
        mode="one queryset, as documented",
    ),
    Peer(
        name="django-push-notifications-cut",
        title="django-push-notifications 3.3",
        kind="apns",
        environment=_DPN,
        arguments=("django_push_notifications", "apns", "500"),
        mode="querysets of 500",
        divisor=SLOW,
    ),
    Peer(
        name="pyfcm",
        title="pyfcm 2.1",
        kind="fcm",
        against="ours-fcm",
        environment=Python("pyfcm"),
        arguments=("fcm_pyfcm", "notify"),
        mode="notify, one connection",
        divisor=SLOWER,
    ),
    Peer(
        name="pyfcm-async",
        title="pyfcm 2.1",
        kind="fcm",
        against="ours-fcm",
        environment=Python("pyfcm"),
        arguments=("fcm_pyfcm", "async"),
        mode="async_notify_multiple_devices, 200 a call",
        divisor=SLOWER,
    ),
    Peer(
        name="firebase-admin",
        title="firebase-admin 7.7",
        kind="fcm",
        against="ours-fcm",
        environment=_FIREBASE,
        arguments=("fcm_firebase_admin", "threads"),
        mode="send_each, threads, 500 a call",
        divisor=SLOWER,
    ),
    Peer(
        name="firebase-admin-async",
        title="firebase-admin 7.7",
        kind="fcm",
        against="ours-fcm",
        environment=_FIREBASE,
        arguments=("fcm_firebase_admin", "async"),
        mode="send_each_async, HTTP/2, 500 a call",
        divisor=SLOWER,
    ),
    Peer(
        name="fcm-django",
        title="fcm-django 3.2",
        kind="fcm",
        against="ours-fcm",
        environment=_FIREBASE,
        arguments=("fcm_django", "threads"),
        mode="queryset.send_message, threads",
        divisor=SLOWER,
    ),
    Peer(
        name="fcm-django-async",
        title="fcm-django 3.2",
        kind="fcm",
        against="ours-fcm",
        environment=_FIREBASE,
        arguments=("fcm_django", "async"),
        mode="queryset.asend_message, HTTP/2",
        divisor=SLOWER,
    ),
    Peer(
        name="django-push-notifications-fcm",
        title="django-push-notifications 3.3",
        kind="fcm",
        against="ours-fcm",
        environment=_DPN,
        arguments=("django_push_notifications", "fcm"),
        mode="queryset, 500 a call",
        divisor=SLOWER,
    ),
    Peer(
        name="parse-server",
        title="parse-server 9.10 + PostgreSQL",
        kind="apns",
        environment=Node("parse_server"),
        arguments=(),
        mode="batches of 100",
        group="pipeline",
        language="JavaScript",
    ),
)

PEERS = (
    *_IN_GOOD_WEATHER,
    *(
        replace(peer, name=f"{peer.name}-worst", against=WORST, divisor=AT_THE_WORST[peer.name])
        for peer in _IN_GOOD_WEATHER
        if peer.name in AT_THE_WORST
    ),
)
