"""What was given is counted by the lots, whose rows have room for their next version."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

HOT = "SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200)"
COLD = "RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)"


class Migration(migrations.Migration):
    dependencies = [("coupons", "0004_deal_lots")]
    operations = [
        migrations.RemoveConstraint(
            model_name="coupontemplate",
            name="coupon_template_within_total",
        ),
        migrations.RemoveField(
            model_name="coupontemplate",
            name="given",
        ),
        ValidateConstraint(model_name="coupon", name="coupon_status_known"),
        migrations.RunSQL(
            f"ALTER TABLE coupons_couponlot {HOT}", f"ALTER TABLE coupons_couponlot {COLD}"
        ),
        migrations.RunSQL(
            f"ALTER TABLE coupons_couponstorecount {HOT}",
            f"ALTER TABLE coupons_couponstorecount {COLD}",
        ),
        migrations.RunSQL(
            f"ALTER TABLE coupons_coupontemplate {COLD}",
            f"ALTER TABLE coupons_coupontemplate {HOT}",
        ),
    ]
