"""Compiles the benchmark server; installs or names the packages that this takes."""

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "server"
BINARY = HERE / "build" / "server"

# Debian package -> a command or a header that it brings.
PACKAGES = {
    "gcc": "gcc",
    "libc6-dev": "/usr/include/stdio.h",
    "libnghttp2-dev": "/usr/include/nghttp2/nghttp2.h",
    "libssl-dev": "/usr/include/openssl/ssl.h",
    "nghttp2-client": "h2load",
    "openssl": "openssl",
}


class MissingPackages(RuntimeError):
    """Something the benchmark needs is not on this machine; the message names the cure."""


def missing_packages() -> list[str]:
    """The Debian packages of which nothing was found here."""
    return [package for package, proof in PACKAGES.items() if not _present(proof)]


def _present(proof: str) -> bool:
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof) is not None


def install(packages: list[str]) -> None:
    """Install `packages` by apt-get as root on Debian, saying so.

    Raises MissingPackages elsewhere, or when apt-get does not bring them.
    """
    if not packages:
        return
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingPackages(
            f"The benchmark needs {', '.join(packages)}. On Debian or Ubuntu run: sudo {command}"
        )
    print(f"Installing what is missing: {command}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in ("apt-get update -qq", f"{command} -qq"):
        if subprocess.run(step.split(), env=environment, check=False).returncode != 0:
            raise MissingPackages(f"`{step}` failed; install {', '.join(packages)} by hand.")


def server() -> Path:
    """The server's binary, compiled when it is missing or older than its sources."""
    install(missing_packages())
    sources = sorted(SOURCES.glob("*.[ch]"))
    newest = max(source.stat().st_mtime for source in sources)
    if not BINARY.exists() or BINARY.stat().st_mtime < newest:
        _compile([source for source in sources if source.suffix == ".c"])
    return BINARY


def _compile(sources: list[Path]) -> None:
    BINARY.parent.mkdir(exist_ok=True)
    unfinished = BINARY.with_suffix(".new")
    compiler = ["gcc", "-std=gnu11", "-O2", "-flto", "-Wall", "-Wextra", "-Werror", "-o"]
    libraries = ["-lnghttp2", "-lssl", "-lcrypto"]
    subprocess.run([*compiler, str(unfinished), *map(str, sources), *libraries], check=True)
    unfinished.replace(BINARY)


if __name__ == "__main__":
    print(server())
