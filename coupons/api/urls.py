"""Where the doors of coupons are."""

from django.urls import path

from coupons.api import cards, counter, passes, promotions, tills, views

urlpatterns = [
    path("coupon-templates", views.TemplatesView.as_view()),
    path("coupon-templates/<id:pk>/claim", views.ClaimView.as_view()),
    path("coupon-codes", views.CodeView.as_view()),
    path("coupons", views.CouponsView.as_view()),
    path("coupons/<id:pk>", views.CouponView.as_view()),
    path("coupons/<id:pk>/counter-code", counter.CounterCodeView.as_view()),
    path("promotions/<id:pk>", promotions.PromotionView.as_view()),
    path("staff/redemptions", counter.StaffRedemptionsView.as_view()),
    path("staff/redemptions/look", counter.StaffLookView.as_view()),
    path("staff/redemptions/<number:number>/undo", counter.StaffUndoView.as_view()),
    path("till/redemptions", tills.TillRedemptionsView.as_view()),
    path("till/redemptions/look", tills.TillLookView.as_view()),
    path("till/redemptions/<number:number>/undo", tills.TillUndoView.as_view()),
    path("coupon-templates/<id:pk>/card", cards.TemplateCardView.as_view()),
    path("coupons/<id:pk>/card", cards.CouponCardView.as_view()),
    path("coupons/<id:pk>/remind", views.RemindView.as_view()),
    path("coupons/<id:pk>/share", passes.ShareView.as_view()),
    path("coupon-passes/<number:token>", passes.PassView.as_view()),
    path("coupon-passes/<number:token>/accept", passes.AcceptView.as_view()),
]
webhook_patterns = [
    path("wechat-vouchers/<slug:slug>", cards.webhook, name="wechat-vouchers"),
]
