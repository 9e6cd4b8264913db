"""The new rule of reductions is checked beside the writers."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0005_promotions")]
    operations = [ValidateConstraint("reduction", "reduction_of_one_thing")]
