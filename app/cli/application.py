"""What uvicorn calls in each server process. Light: one of several processes imports it first."""

from starlette.types import ASGIApp

from app.cli.program import no_search_for_garbage
from app.settings import Settings


def application(settings: Settings) -> ASGIApp:
    """The application of this process. To be called from the server's event loop."""
    with no_search_for_garbage():
        # Here, as one of several processes has nothing of the service before it calls this.
        from app.main import serving_app  # noqa: PLC0415

    return serving_app(settings)
