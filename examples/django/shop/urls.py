"""What is found where."""

from cellar import views
from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import path, re_path

urlpatterns = [
    path("", views.index, name="index"),
    path("upload/", views.upload, name="upload"),
    path("admin/", admin.site.urls),
    # Django finds and sends its static files itself, as runserver does; insecure means: with DEBUG off too.
    re_path(r"^static/(?P<path>.*)$", serve, {"insecure": True}),
]
