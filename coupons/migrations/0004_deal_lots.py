"""Each template has one lot with what it gave; the next change of its total deals out more."""

from django.db import migrations

DEAL = (
    "INSERT INTO coupons_couponlot (merchant_id, template_id, number, share, given, given_that_day)"
    " SELECT merchant_id, id, 0, total, given, 0 FROM coupons_coupontemplate"
    " ON CONFLICT DO NOTHING"
)
COUNT = (
    "UPDATE coupons_coupontemplate t SET given = l.given"
    " FROM (SELECT template_id, sum(given) AS given FROM coupons_couponlot GROUP BY 1) l"
    " WHERE l.template_id = t.id"
)


class Migration(migrations.Migration):
    dependencies = [("coupons", "0003_limits")]
    operations = [migrations.RunSQL(DEAL, COUNT)]
