"""One page, and an upload."""

import hashlib

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "cellar/index.html")


@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """Show the form; answer a file with its size and SHA-256."""
    if request.method == "GET":
        return render(request, "cellar/upload.html")
    file = request.FILES.get("file")
    if file is None:
        return JsonResponse({"error": "there is no field named file"}, status=422)
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    return JsonResponse({"name": file.name, "size": file.size, "sha256": digest.hexdigest()})
