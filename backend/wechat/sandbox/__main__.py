"""`python -m backend.wechat.sandbox --port 8001 [--tls-port N] [--data DIR] [--speed 1.0]`."""

import argparse
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from .server import Listener, serve, tls_context
from .world import World


def port(text: str) -> int:
    """A port number; 0 is any free one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number


def speed(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def tls_port(text: str) -> int | None:
    """A port number, `auto` for any free one; 0 is none at all."""
    return 0 if text == "auto" else port(text) or None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m backend.wechat.sandbox",
        description="A WeChat of our own, for development and tests.",
    )
    parser.add_argument("--port", type=port, default=8001, help="0: any free port")
    parser.add_argument(
        "--tls-port", type=tls_port, default=None, help="0: no TLS (default); auto: any free port"
    )
    parser.add_argument("--data", type=Path, help="a folder to remember in; without it, forgets")
    parser.add_argument("--speed", type=speed, default=1.0, help="WeChat's waits, divided by this")
    parser.add_argument("--host", default="127.0.0.1", help="loopback unless said otherwise")
    parser.add_argument("--quiet", action="store_true", help="log nothing but failures")
    return parser.parse_args()


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    options = arguments()
    environment = os.environ.get("ENVIRONMENT") or "production"
    if environment == "production":
        return fail("not in production: set ENVIRONMENT=development (unset means production)")
    logging.basicConfig(
        level=logging.WARNING if options.quiet else logging.INFO,
        format="%(asctime)s sandbox %(message)s",
        stream=sys.stderr,
    )
    try:
        world = World(options.data, options.speed)
    except (OSError, sqlite3.Error) as error:
        return fail(f"can't keep its data in {options.data}: {error}")
    listeners = []
    try:
        listeners.append(Listener(options.host, options.port, world, None))
        if options.tls_port is not None:
            context = tls_context(world, options.host)
            listeners.append(Listener(options.host, options.tls_port, world, context))
    except OSError as error:
        taken = options.tls_port if listeners else options.port
        return fail(f"can't listen on {options.host}:{taken}: {error.strerror or error}")
    signal.signal(signal.SIGTERM, stopper(world))
    signal.signal(signal.SIGINT, stopper(world))
    world.start()
    for listener in listeners:
        serve(listener)
    urls = " and ".join(listener.url for listener in listeners)
    sys.stdout.write(f"sandbox ready on {urls}\n")
    sys.stdout.flush()
    world.stopping.wait()
    for listener in listeners:
        listener.socket.close()
    world.stop()
    return 0


def stopper(world: World) -> Callable[[int, FrameType | None], None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        world.stopping.set()

    return stop


def fail(message: str) -> int:
    sys.stderr.write(f"sandbox: {message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
