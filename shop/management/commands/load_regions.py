"""`manage.py load_regions [FILE]`: the provinces, cities and districts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop import regions


class Command(BaseCommand):
    help = "Load provinces, cities and districts; loading them again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", nargs="?", help="code,name,level,parent_code; without it, the list we ship"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = regions.load(options["file"])
        except regions.BadRegionFile as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"{counts.added} added, {counts.changed} changed, {counts.unchanged} as they were"
        )
