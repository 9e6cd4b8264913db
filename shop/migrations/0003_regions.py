"""The regions as they came with this version; `manage.py load_regions` brings newer ones."""

from typing import Any

from django.db import migrations

from shop import regions


def load(apps: Any, schema_editor: Any) -> None:
    regions.load(model=apps.get_model("shop", "Region"))


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_hot_rows")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
