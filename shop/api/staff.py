"""A member of staff in the mini program."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import Rate, checked
from backend.desk.roles import Area, Level, level_of
from backend.schema import problems
from shop import staff
from shop.login import ShopperView
from shop.models import Staff


class StaffStoreSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class StaffSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=Staff.Role.choices)
    role_text = serializers.CharField()
    stores = StaffStoreSerializer(many=True)
    actions = serializers.ListField(
        child=serializers.CharField(), help_text="What they may do here: `redeem`."
    )


class LinkRequestSerializer(serializers.Serializer[Any]):
    invite_code = serializers.CharField(max_length=40)


class LinkRate(Rate):
    scope, limit, seconds = "staff-link", 10, 600


class StaffView(ShopperView):
    """An endpoint for staff: read from the database at each call."""

    problems = (staff.NotStaff,)

    def staff(self) -> Staff:
        """Whoever asks, as a member of staff.

        Raises: NotStaff.
        """
        return staff.staff_of(self.customer())

    def working(self) -> Staff:
        """The same, who may redeem at a counter.

        Raises: NotStaff.
        """
        found = self.staff()
        if not may_redeem(found):
            raise staff.NotStaff(f"a {found.role}")
        return found


def may_redeem(found: Staff) -> bool:
    """Whether the table of roles lets them redeem at a counter."""
    return level_of(found.role, Area.COUNTER) >= Level.EDIT


def shape_of(found: Staff) -> dict[str, Any]:
    """A member of staff as their own mini program shows them."""
    return {
        "name": found.user.first_name or found.user.get_username(),
        "role": found.role,
        "role_text": found.get_role_display(),
        "stores": [{"id": store.pk, "name": store.name} for store in staff.stores_of(found)],
        "actions": ["redeem"] if may_redeem(found) else [],
    }


class LinkView(ShopperView):
    throttle_classes = (LinkRate,)

    @extend_schema(
        operation_id="staff_link",
        tags=["staff"],
        request=LinkRequestSerializer,
        responses={
            200: StaffSerializer,
            **problems(staff.InviteUnknown, staff.LinkedAlready),
        },
    )
    def post(self, request: Any) -> Response:
        """The signed-in customer is the member of staff who was invited with this code."""
        asked = checked(LinkRequestSerializer, request.data)
        return Response(shape_of(staff.link(self.customer(), asked["invite_code"])))


class MeView(StaffView):
    @extend_schema(operation_id="staff_me", tags=["staff"], responses={200: StaffSerializer})
    def get(self, request: Any) -> Response:
        """Who they are here, in which stores, and what they may do."""
        return Response(shape_of(self.staff()))
