"""Where in the histories a day is."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # an index is built beside the writers
    dependencies = [("coupons", "0009_figures")]
    operations = [
        AddIndexConcurrently(
            model_name="couponevent",
            index=BrinIndex(autosummarize=True, fields=["at"], name="coupon_event_of_day"),
        ),
    ]
