"""Every door of the shop, and the home page."""

from django.urls import include, path

from backend import screens
from shop.api.urls import urlpatterns as doors

own = [*doors, path("home", screens.HomeView.as_view())]
urlpatterns = [path("api/v1/", include(own))]
