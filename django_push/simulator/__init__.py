"""A simulator that plays APNs and FCM over real TLS and HTTP/2 on loopback.

It checks what it gets as Apple and Google would, refuses in their words, records everything, and
misbehaves on demand. docs/simulator.md tells how to use it.
"""

from .behaviour import Behaviour, BehaviourError
from .certificates import Identity, StateError, load_identity
from .engines import EngineMissingError
from .fates import PREFIXES, Fate
from .runner import Simulator
from .server import Options, PortError

__all__ = [
    "PREFIXES",
    "Behaviour",
    "BehaviourError",
    "EngineMissingError",
    "Fate",
    "Identity",
    "Options",
    "PortError",
    "Simulator",
    "StateError",
    "load_identity",
]
