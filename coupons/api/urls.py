"""Where the doors of coupons are."""

from django.urls import path

from coupons.api import views

urlpatterns = [
    path("coupon-templates", views.TemplatesView.as_view()),
    path("coupon-templates/<id:pk>/claim", views.ClaimView.as_view()),
    path("coupon-codes", views.CodeView.as_view()),
    path("coupons", views.CouponsView.as_view()),
    path("coupons/<id:pk>", views.CouponView.as_view()),
]
