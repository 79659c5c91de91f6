"""Requests for photos to classify: a body is one photo."""

from gristmill.domains.common.requests import Requests

REQUESTS = Requests(("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"), takes_json=False)
