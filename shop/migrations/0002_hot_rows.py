"""Counts that move all day: room on the page for the new version of a row, and prompt cleaning."""

from django.db import migrations

SET = (
    "ALTER TABLE shop_stock SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,"
    " autovacuum_vacuum_threshold = 1000)"
)
RESET = (
    "ALTER TABLE shop_stock RESET (fillfactor, autovacuum_vacuum_scale_factor,"
    " autovacuum_vacuum_threshold)"
)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunSQL(SET, RESET)]
