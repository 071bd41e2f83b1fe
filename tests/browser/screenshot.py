"""The picture of the orders desk in README.md, made from a running demo.

    .venv/bin/python -m tests.browser.screenshot

Needs the built pages (`make web`) and Chromium; writes docs/desk.png.
"""

import sys
import tempfile
from pathlib import Path

from tests.browser.browsing import Visitor, chromium, require_pages
from tests.browser.test_desk import Api, row, sign_in
from tests.e2e.server import ROOT, running

PICTURE = ROOT / "docs" / "desk.png"
SIZE = (1280, 720)
LARGEST_BYTES = 200_000


def main() -> None:
    require_pages()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), "--demo") as service,
        chromium() as browser,
    ):
        api = Api(service)
        visitor = Visitor(browser, service.url)
        page = sign_in(visitor, api.admin, size=SIZE)
        orders = [
            api.place(address=address)
            for address in ("14 Elm Ave, Fitzroy", "3 Mill Lane, Carlton", "88 Main St, Richmond")
        ]
        api.set_status(orders[0], "DELIVERY")
        for order in orders[1:]:
            row(page, order).get_by_role("checkbox").click()
        page.mouse.move(0, 0)
        page.wait_for_timeout(1_500)
        page.screenshot(path=PICTURE)
        visitor.close()
    size = PICTURE.stat().st_size
    if size > LARGEST_BYTES:
        sys.exit(f"{PICTURE} has {size:,} bytes, and may have {LARGEST_BYTES:,}.")


if __name__ == "__main__":
    main()
