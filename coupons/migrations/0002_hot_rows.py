"""Counts that move all day: room on the page for the new version of a row, and prompt cleaning."""

from django.db import migrations

SET = (
    "ALTER TABLE coupons_coupontemplate SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,"
    " autovacuum_vacuum_threshold = 200)"
)
RESET = (
    "ALTER TABLE coupons_coupontemplate RESET (fillfactor, autovacuum_vacuum_scale_factor,"
    " autovacuum_vacuum_threshold)"
)


class Migration(migrations.Migration):
    dependencies = [("coupons", "0001_initial")]
    operations = [migrations.RunSQL(SET, RESET)]
