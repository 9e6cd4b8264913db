"""The admin site itself: who gets in, and what it looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from backend.desk.roles import is_operator, staff_of
from shop.models import Staff

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.contrib.admin.forms import AdminAuthenticationForm as AuthenticationForm
else:
    from unfold.forms import AuthenticationForm
    from unfold.sites import UnfoldAdminSite as AdminSite


class SignInForm(AuthenticationForm):
    """Lets in operators and active staff; anybody else hears what a wrong password hears."""

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if user.is_superuser:
            return
        if not Staff.objects.filter(user_id=user.pk, is_active=True).exists():
            raise ValidationError(
                self.error_messages["invalid_login"],
                code="invalid_login",
                params={"username": self.username_field.verbose_name},
            )


class DeskSite(AdminSite):
    login_form = SignInForm

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Deleting in bulk has no place where stock and money hang on rows; pages say what may go.
        self.disable_action("delete_selected")

    def has_permission(self, request: HttpRequest) -> bool:
        return is_operator(request) or staff_of(request) is not None
