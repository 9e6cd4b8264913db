"""Start the shop's processes: `python -m backend.run web|worker|beat|sandbox|migrate|all`.

The image's containers each run one role, which takes this process's place. `make run` runs `all`:
on a bare machine that is PostgreSQL, Redis, the sandbox, the web server, the worker and the clock.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from django.conf import LazySettings

Command = list[str]


def web(settings: LazySettings) -> Command:
    """Granian answers for the pictures itself, without Python; WhiteNoise has the static files."""
    media = Path(settings.MEDIA_ROOT)
    media.mkdir(parents=True, exist_ok=True)
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "backend.wsgi:application"),
        *("--host", settings.WEB_HOST, "--port", str(settings.PORT)),
        *("--workers", str(settings.WEB_WORKERS)),
        *("--blocking-threads", str(settings.WEB_THREADS)),
        # A thread holds a database connection: it is kept, not made anew after every lull.
        *("--blocking-threads-idle-timeout", "600"),
        *("--http", "1", "--no-ws", "--respawn-failed-workers"),
        *("--static-path-route", "/media", "--static-path-mount", str(media)),
        *("--workers-kill-timeout", "15", "--log-level", "error"),
    ]


def worker(settings: LazySettings) -> Command:
    # A bare machine is often used as root; a production says what Celery thinks of that.
    quiet = () if settings.PRODUCTION else ("-W", "ignore:You're running the worker")
    return [
        *(sys.executable, *quiet, "-m", "celery", "--quiet", "--app", "backend.celery", "worker"),
        *("--concurrency", str(settings.WORKER_PROCESSES)),
        *("--without-mingle", "--without-gossip", "--loglevel", settings.LOG_LEVEL),
    ]


def beat(settings: LazySettings) -> Command:
    return [
        *(sys.executable, "-m", "celery", "--quiet", "--app", "backend.celery", "beat"),
        *("--pidfile=", "--loglevel", settings.LOG_LEVEL),
    ]


def sandbox(settings: LazySettings) -> Command:
    return [
        *(sys.executable, "-m", "backend.wechat.sandbox", "--port", str(settings.SANDBOX_PORT)),
        *("--tls-port", str(settings.SANDBOX_TLS_PORT)),
        *("--data", str(settings.DATA_DIR / "sandbox")),
    ]


ROLES: Final[dict[str, Callable[[LazySettings], Command]]] = {
    "web": web,
    "worker": worker,
    "beat": beat,
    "sandbox": sandbox,
}


def environment(role: str, metrics: Path) -> dict[str, str]:
    """What a process of this role finds in its environment."""
    found = os.environ | {"PYTHONUNBUFFERED": "1"}
    if role == "web":
        # Its processes share their counts in files, which belong to one run.
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(parents=True)
        found["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    return found


def migrate() -> None:
    """Bring the database up to this code. A development database without merchants gets a demo."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=1)
    if settings.ENVIRONMENT == "development":
        from shop.models import Merchant

        if not Merchant.objects.exists():
            call_command("seed_demo")


def main(arguments: list[str]) -> int:
    known = [*ROLES, "migrate", "all"]
    if len(arguments) != 1 or arguments[0] not in known:
        print(f"usage: python -m backend.run {'|'.join(known)}", file=sys.stderr)  # noqa: T201
        return 2
    (role,) = arguments
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    from backend.embedded import EmbeddedError

    try:
        return start(role)
    except (ImproperlyConfigured, EmbeddedError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:  # before anything was started
        return 130


def start(role: str) -> int:
    """Run a role to its end, or become its process."""
    from django.conf import settings

    if settings.PRODUCTION and role in {"sandbox", "all"}:
        raise ImproperlyConfigured(
            f"{role} is for development: in production run migrate, web, worker and beat. "
            "(ENVIRONMENT is production, also when it is unset.)"
        )
    if role == "migrate":
        migrate()
        return 0
    if role == "all":
        from backend.supervisor import run_everything

        return run_everything(settings)
    return become(role, ROLES[role](settings))


def become(role: str, command: Command) -> NoReturn:
    metrics = Path(tempfile.gettempdir()) / f"shop-metrics-{os.getpid()}"
    os.execve(command[0], command, environment(role, metrics))  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
