"""`manage.py seed_demo`: a merchant to look at, in a development database."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from backend import demo
from backend.demo.seed import seed


class Command(BaseCommand):
    help = "Adds the demo merchant where it isn't there yet. Refuses in production."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo's passwords are public: seed_demo refuses in production.")
        if not seed():
            self.stdout.write("The demo merchant is there already; nothing was changed.")
            return
        self.stdout.write(
            "The demo merchant is ready. Admin sign-ins: "
            f"{demo.OWNER[0]} / {demo.OWNER[1]} (the shop's owner), "
            f"{demo.OPERATOR[0]} / {demo.OPERATOR[1]} (the operator)."
        )
