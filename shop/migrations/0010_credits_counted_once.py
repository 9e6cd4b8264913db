"""A repeated request to be told counts once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0009_messages"),
    ]

    operations = [
        migrations.AddField(
            model_name="messagecredit",
            name="last_key",
            field=models.CharField(editable=False, max_length=64, null=True),
        ),
    ]
