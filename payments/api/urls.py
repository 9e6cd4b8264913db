"""Where the doors of payments are."""

from django.urls import path

from payments.api import views, webhooks

urlpatterns = [
    path("purchases/<number:number>/pay", views.PayView.as_view()),
    path("purchases/<number:number>/check", views.CheckView.as_view()),
    path("trades/<number:number>", views.TradeView.as_view()),
]

webhook_patterns = [
    path("wechat-pay/<slug:slug>/payment", webhooks.payment, name="wechat-pay-payment"),
    path("wechat-pay/<slug:slug>/refund", webhooks.refund, name="wechat-pay-refund"),
]
