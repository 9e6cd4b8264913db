"""`manage.py rotate_encryption`: every secret at rest, under the first of ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from shop import rotation


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret with the first of ENCRYPTION_KEYS. It may be stopped and run"
        " again; once it says 0 rotated and 0 unreadable, the other keys can go."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="rows at a time")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("--batch: at least 1")
        unreadable = 0
        for model, field in rotation.columns():
            name = f"{model._meta.db_table}.{field.column}"
            rows = model._default_manager.count()
            # disable=None: a bar for people, none for logs.
            with tqdm(total=rows, desc=name, unit="row", disable=None, leave=False) as bar:
                count = rotation.rotate(model, field, batch=options["batch"], seen=bar.update)
            unreadable += count.unreadable
            self.stdout.write(
                f"{name}: {count.rotated} rotated, {count.current} were,"
                f" {count.unreadable} unreadable"
            )
        if unreadable:
            raise CommandError(
                f"{unreadable} secrets open with none of ENCRYPTION_KEYS: put their key back, or"
                " enter them anew"
            )
