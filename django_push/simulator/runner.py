"""A simulator in a thread of its own, for tests and demos."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from .certificates import Identity
from .server import Options, Server

T = TypeVar("T")


class Simulator:
    """A provider simulator that runs in a thread of this process.

    Use it as a context manager, or `close()` it::

        with Simulator.run(state_dir) as sim:
            send_to(sim.apns_url, ca=sim.identity.ca_file)
            assert sim.deliveries()[0]["outcome"] == "sent"

    All methods may be called from any thread.
    """

    def __init__(self, options: Options) -> None:
        """Start it. Raises PortError, StateError or EngineMissingError."""
        self._server = Server(options)
        addresses = self._server.addresses
        self.identity: Identity = self._server.identity
        """The simulated accounts: keys, certificates, topics."""
        self.apns_url = addresses.apns_url
        """APNs production, ``https://127.0.0.1:<port>``."""
        self.sandbox_url = addresses.sandbox_url
        """APNs sandbox."""
        self.fcm_url = addresses.fcm_url
        """FCM; ``/v1/projects/<identity.project_id>/messages:send`` below it."""
        self.token_url = addresses.token_url
        """OAuth token endpoint, complete with its path."""
        self.control_url = addresses.control_url
        """The plain-HTTP control port."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="push-simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    @classmethod
    def run(
        cls,
        state_dir: Path | str,
        *,
        topics: tuple[str, ...] | None = None,
        engine: str = "auto",
        log: Path | None = None,
    ) -> Simulator:
        """Start a simulator on free ports. Parameters as in `Options`."""
        return cls(Options(state_dir=Path(state_dir), topics=topics, engine=engine, log=log))

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop it; all connections are cut. A second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def deliveries(self, since: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the kept pushes with a number above `since`, oldest first."""
        return self._call(lambda: self._server.service.recorder.since(since, limit))

    def clear(self) -> None:
        """Forget the deliveries. Numbers and counts go on."""
        self._call(self._server.service.recorder.clear)

    def behave(self, **changes: Any) -> dict[str, Any]:
        """Change the behaviour (keys of `Behaviour`, and ``reset``); return all of it.

        Raises BehaviourError, and then changes nothing.
        """
        return self._call(lambda: self._server.service.behave(changes).document())

    def status(self) -> dict[str, Any]:
        """Return counts by provider and outcome, connections and addresses."""
        return self._call(self._server.control.status)

    def wait_for(self, count: int, timeout: float = 10.0) -> list[dict[str, Any]]:
        """Wait until `count` deliveries are kept and return them; TimeoutError after `timeout`."""
        deadline = time.monotonic() + timeout
        while self.status()["kept"] < count:
            if time.monotonic() > deadline:
                kept = self.status()["kept"]
                raise TimeoutError(f"{kept} of {count} deliveries arrived within {timeout} s.")
            time.sleep(0.01)
        return self.deliveries()

    def _call(self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(timeout=30)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._server.start())
            self._ready.set()
            self._loop.run_forever()
        except BaseException as error:
            self._failure = error  # raised where the simulator was asked for
        finally:
            self._loop.run_until_complete(self._server.stop())
            self._loop.close()
            self._ready.set()
