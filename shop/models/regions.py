"""Provinces, cities and districts."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Region(models.Model):
    """An administrative division. 441900, 442000 and 460400 stand at two levels, so the key is
    (code, level)."""

    class Level(models.IntegerChoices):
        PROVINCE = 1, _("province")
        CITY = 2, _("city")
        DISTRICT = 3, _("district")

    code = models.CharField(max_length=6)
    level = models.PositiveSmallIntegerField(choices=Level)
    name = models.CharField(max_length=40)
    parent_code = models.CharField(max_length=6, blank=True)

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")
        constraints = [
            models.UniqueConstraint(fields=["code", "level"], name="region_code_level_once")
        ]
        indexes = [models.Index(fields=["parent_code", "level"], name="region_children")]

    def __str__(self) -> str:
        return self.name
