"""What a template gives isn't over when it is given."""

from django.db import migrations, models

# A template that went on too long ends with what it gave.
END = """
UPDATE coupons_coupontemplate
SET starts_at = least(starts_at, valid_until - interval '1 second'), ends_at = valid_until
WHERE ends_at > valid_until
"""


class Migration(migrations.Migration):
    dependencies = [
        ("coupons", "0011_promotions"),
        ("shop", "0010_credits_counted_once"),
    ]

    operations = [
        migrations.RunSQL(END, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="coupontemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_until__isnull", True),
                    ("ends_at__lte", models.F("valid_until")),
                    _connector="OR",
                ),
                name="coupon_template_given_before_it_is_over",
            ),
        ),
    ]
