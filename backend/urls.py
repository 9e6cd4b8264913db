"""Every address the shop answers at."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views import defaults
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from backend import converters as converters  # first: the apps' addresses use them
from backend import screens
from backend.api import page_not_found, server_error
from coupons.api.urls import urlpatterns as coupons
from coupons.api.urls import webhook_patterns as voucher_patterns
from orders.api.urls import urlpatterns as orders
from payments.api.urls import urlpatterns as payments
from payments.api.urls import webhook_patterns
from shop.api.urls import urlpatterns as shop

api: list[URLPattern | URLResolver] = [
    path("home", screens.HomeView.as_view()),
    path("me", screens.MeAndFarewellView.as_view()),
    path("me/center", screens.CenterView.as_view()),
    path("products/<id:pk>", screens.ProductView.as_view()),
    *shop,
    *coupons,
    *orders,
    *payments,
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(api)),
    path("webhooks/", include([*webhook_patterns, *voucher_patterns])),
    path("admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]


def _speaks_json(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/webhooks/"))


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """JSON where a program asked, Django's page where a person did."""
    if _speaks_json(request):
        return page_not_found(request, exception)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """JSON where a program asked, Django's page where a person did."""
    return server_error(request) if _speaks_json(request) else defaults.server_error(request)
