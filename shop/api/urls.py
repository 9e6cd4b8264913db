"""Where the doors of the shop are, under /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, path

from shop.api import catalogue, search
from shop.api.account_routes import routes as account_routes

catalogue_routes = [
    path("categories", catalogue.CategoriesView.as_view()),
    path("products", catalogue.ProductsView.as_view()),
    path("stores", catalogue.StoresView.as_view()),
    path("stores/<id:pk>", catalogue.StoreView.as_view()),
    path("search/popular", search.PopularView.as_view()),
    path("search/suggest", search.SuggestView.as_view()),
    path("search/history", search.HistoryView.as_view()),
]
urlpatterns: list[URLPattern] = [*catalogue_routes, *account_routes]
