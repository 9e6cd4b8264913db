"""Account routes by themselves, so that these tests need no other door."""

from django.urls import include, path

from backend import screens
from shop.api.account_routes import routes

own = [
    *routes,
    path("me", screens.MeAndFarewellView.as_view()),
    path("me/center", screens.CenterView.as_view()),
]
urlpatterns = [path("api/v1/", include(own))]
