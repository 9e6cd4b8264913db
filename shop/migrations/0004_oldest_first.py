"""What the clock clears away is found by its age. Built beside sales, as the table is large."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0003_regions")]
    operations = [
        AddIndexConcurrently("recentview", models.Index(fields=["at"], name="recent_view_oldest")),
        AddIndexConcurrently("upload", models.Index(fields=["at"], name="upload_oldest")),
    ]
