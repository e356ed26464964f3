"""The peers' own environments, made when they are missing or when their requirements changed."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent


class NotInstallable(RuntimeError):
    """A peer's environment could not be made; the message says what the installer said."""


@dataclass(frozen=True, slots=True)
class Python:
    """``.venv-peers-NAME`` with what ``requirements/NAME.txt`` lists."""

    name: str

    @property
    def directory(self) -> Path:
        return CHECKOUT / f".venv-peers-{self.name}"

    @property
    def requirements(self) -> Path:
        return HERE / "requirements" / f"{self.name}.txt"

    def command(self, runner: str, *arguments: str) -> list[str]:
        """How `benchmarks.peers.runners.<runner>` is started, from the checkout's directory."""
        program = self.directory / "bin" / "python"
        return [str(program), "-m", f"benchmarks.peers.runners.{runner}", *arguments]

    def prepare(self) -> None:
        """Install what is missing. Raises NotInstallable."""
        wanted = self.requirements.read_bytes() + sys.version.encode()
        if _is_made(self.directory, wanted):
            return
        print(f"Installing {self.directory.name}", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(self.directory)])
        pip = [sys.executable, "-m", "pip", "--python", str(self.directory / "bin" / "python")]
        quietly = ["install", "--quiet", "--disable-pip-version-check", "--no-input"]
        _run([*pip, *quietly, "-r", str(self.requirements)])
        _remember(self.directory, wanted)


@dataclass(frozen=True, slots=True)
class Node:
    """``node/NAME`` with what its package-lock.json lists."""

    name: str

    @property
    def directory(self) -> Path:
        return HERE / "node" / self.name

    def command(self, *arguments: str) -> list[str]:
        """How its run.js is started."""
        return ["node", str(self.directory / "run.js"), *arguments]

    def prepare(self) -> None:
        """Install what is missing. Raises NotInstallable."""
        wanted = (self.directory / "package-lock.json").read_bytes()
        if _is_made(self.directory / "node_modules", wanted):
            return
        print(f"Installing {self.name} (Node.js)", file=sys.stderr, flush=True)
        quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _run(["npm", "ci", *quietly, "--prefix", str(self.directory)])
        _remember(self.directory / "node_modules", wanted)


Environment = Python | Node


def _is_made(directory: Path, wanted: bytes) -> bool:
    stamp = directory / ".made-from"
    return stamp.exists() and stamp.read_text() == _digest(wanted)


def _remember(directory: Path, wanted: bytes) -> None:
    (directory / ".made-from").write_text(_digest(wanted))


def _digest(wanted: bytes) -> str:
    return hashlib.sha256(wanted).hexdigest()


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NotInstallable(f"{command[0]} is not on this machine") from error
    except subprocess.CalledProcessError as error:
        raise NotInstallable(f"not installable: {gist(error.stderr)}") from error


def gist(said: str) -> str:
    """The line of an error output that fits into a table: the last that names an error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["nothing"]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines)[-1].split(" (from versions")[0][:150]
