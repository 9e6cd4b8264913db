"""Who works here: the owner lets people in, says what they may do, and shuts them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from backend.desk.dialogs import DialogForm, done
from backend.desk.roles import Area, is_operator
from backend.desk.tenancy import MerchantAdmin, OwnedForm
from backend.desk.widgets import LineBox, PasswordBox, action, display
from shop import staff as people
from shop.models import Staff

if TYPE_CHECKING:
    from django.contrib.auth.admin import UserAdmin as _DjangoUserAdmin
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    _UserAdmin = _DjangoUserAdmin[User]
else:
    from django.contrib.auth.admin import UserAdmin as _DjangoUserAdmin
    from unfold.admin import ModelAdmin
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    class _UserAdmin(_DjangoUserAdmin, ModelAdmin):
        pass


class StaffForm(OwnedForm):
    """A user and their role in one form. The user belongs to this staff row alone."""

    request: HttpRequest
    username = forms.CharField(
        label=_("user name"),
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=LineBox(),
    )
    full_name = forms.CharField(
        label=_("full name"), max_length=80, required=False, widget=LineBox()
    )
    password = forms.CharField(
        label=_("password"),
        required=False,
        max_length=128,
        strip=False,
        widget=PasswordBox(attrs={"autocomplete": "new-password"}),
        help_text=_("Leave empty to keep the one they have."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            if "password" in self.fields:
                self.fields["password"].required = True
                self.fields["password"].help_text = ""
        else:
            user = self.instance.user
            self.initial.update(username=user.username, full_name=user.first_name)

    def clean_username(self) -> str:
        username = User.normalize_username(self.cleaned_data["username"])
        taken = User.objects.filter(username__iexact=username)
        if self.instance.pk is not None:
            taken = taken.exclude(pk=self.instance.user_id)
        if taken.exists():
            raise ValidationError(_("This user name is taken."))
        return str(username)

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if password:
            user = User(username=self.cleaned_data.get("username", ""))
            validate_password(password, user)
        return password

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.instance.pk is None:
            return cleaned
        if self.instance.user.is_superuser and not is_operator(self.request):
            raise ValidationError(_("This person runs the deployment."))
        stays = cleaned.get("is_active", True) and cleaned.get("role") == Staff.Role.OWNER
        if self.instance.user_id == self.request.user.pk and not stays:
            raise ValidationError(_("You can't take your own keys away. Ask another owner to."))
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002
        user = self.instance.user if self.instance.pk is not None else User(is_staff=True)
        user.username = self.cleaned_data["username"]
        user.first_name = self.cleaned_data["full_name"]
        if password := self.cleaned_data["password"]:
            user.set_password(password)
        user.save()
        self.instance.user = user
        return super().save(commit)


@admin.register(Staff)
class StaffAdmin(MerchantAdmin):
    area = Area.STAFF
    form = StaffForm
    list_display = ("shown_user", "role", "is_active", "last_login")
    list_select_related = ("user",)
    list_filter = ("role", "is_active")
    search_fields = ("user__username", "user__first_name")
    autocomplete_fields = ("stores",)
    fields = (("username", "full_name"), "password", ("role", "is_active"), "stores")
    actions_detail = ("invite", "unlink")

    @display(description=_("user name"), header=True, ordering="user__username")
    def shown_user(self, staff: Staff) -> list[str]:
        return [staff.user.get_username(), staff.user.first_name]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        linked = self.own(request, object_id).customer_id is not None
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [one for one in found if one.path == "invite" or linked]

    @action(
        description=_("Invite to the mini program"),
        url_path="invite",
        icon="person_add",
        permissions=["edit_row"],
        dialog={
            "title": _("Invite to the mini program"),
            "description": _("The code is shown once. One made before ends."),
            "form_class": DialogForm,
            "form_submit_text": _("Make a code"),
        },
    )
    def invite(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        staff = self.own(request, object_id)
        code = people.invite(staff)
        self.log_change(request, staff, "invited to the mini program")
        text = _("They sign in to the mini program and enter %(code)s within three days.")
        return done(request, text % {"code": code}, _page(staff))

    @action(
        description=_("Take the mini program away"),
        url_path="unlink",
        icon="link_off",
        permissions=["edit_row"],
        dialog={
            "title": _("Take the mini program away?"),
            "form_class": DialogForm,
            "form_submit_text": _("Take it away"),
        },
    )
    def unlink(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        staff = self.own(request, object_id)
        people.unlink(staff)
        self.log_change(request, staff, "mini program taken away")
        return done(request, _("Nobody's mini program is theirs any more."), _page(staff))

    @display(description=_("last sign-in"))
    def last_login(self, staff: Staff) -> Any:
        return staff.user.last_login


def _page(staff: Staff) -> str:
    return reverse("admin:shop_staff_change", args=[staff.pk])


admin.site.unregister(Group)
admin.site.unregister(User)


@admin.register(User)
class UserAdmin(_UserAdmin):
    """The accounts themselves, for operators."""

    form = UserChangeForm  # type: ignore[assignment]
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_superuser", "is_active")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (None, {"fields": ("first_name", "email", "is_active", "is_staff", "is_superuser")}),
    )
    filter_horizontal = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)
