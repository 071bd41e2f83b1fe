"""How the orders desk feels with many orders: in a browser, as an administrator who sees them all.

    .venv/bin/python -m bench.desk [--orders 100000] [--screens 200]

Needs the built pages (`make web`) and Chromium. Times are from the beginning of what the browser
was asked for until the row stands in the page, by the browser's own clock. Then the list is
scrolled by a screen of 20 rows a frame, and each frame's time taken; a page that is not there yet
is waited for.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from bench.databases import copied_in_sqlite
from tests.browser.browsing import DESKTOP, chromium, wait_until
from tests.e2e.server import running

# Resolves to how long it took until another list has its first row.
_UNTIL_ROW = """async (act) => {
  const before = document.querySelector("[role=grid]");
  const begun = performance.now();
  eval(act);
  for (;;) {
    const grid = document.querySelector("[role=grid]");
    if (grid !== before && grid?.querySelector("[role=row] a")) return performance.now() - begun;
    await new Promise(requestAnimationFrame);
  }
}"""
# Noted by the page itself: asking for it from outside takes time.
_NOTE_FIRST_ROW = """new MutationObserver((_, observer) => {
  if (document.querySelector("[role=row] a")) {
    performance.mark("first-row");
    observer.disconnect();
  }
}).observe(document, { childList: true, subtree: true });"""
_SCROLL = """async (screens) => {
  const grid = document.querySelector("[role=grid]");
  const frame = () => new Promise(requestAnimationFrame);
  const frames = [], rows = [], waits = [];
  let last = await frame();
  for (let screen = 0; screen < screens; screen++) {
    const top = grid.scrollTop, end = grid.scrollHeight;
    grid.scrollTop = top + 800;
    const now = await frame();
    frames.push(now - last);
    last = now;
    rows.push(grid.querySelectorAll("[role=row]").length);
    if (grid.scrollTop < top + 800) {
      while (grid.scrollHeight <= end) last = await frame();
      waits.push(last - now);
    }
  }
  return { frames, rows, waits, top: grid.scrollTop };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--screens", type=int, default=200)
    asked = parser.parse_args()
    with (
        copied_in_sqlite(asked.orders) as shop,
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), ORDERS_DATABASE_URL=shop.url) as server,
        chromium() as browser,
    ):
        width, height = DESKTOP
        context = browser.new_context(viewport={"width": width, "height": height}, bypass_csp=True)
        context.add_init_script(f"sessionStorage['orders-desk-key'] = {shop.admin_key!r}")
        context.add_init_script(_NOTE_FIRST_ROW)
        page = context.new_page()
        print(f"{asked.orders:,} orders; {width} x {height}")
        opened = [_opened(page, f"{server.url}/desk") for _ in range(6)]
        print(f"first row, browser without a cache   {opened[0]:7,.0f} ms")
        print(f"first row, again (median of 5)       {statistics.median(opened[1:]):7,.0f} ms")
        page.get_by_text("Live", exact=True).wait_for()
        wait_until(page, "document.querySelector('.count').textContent !== ''")
        for name, selector, value in (
            ("sorted by total", "[aria-label='Sorted by']", "TOTAL_DESC"),
            ("of one shipping method", "[aria-label=Shipping]", "BUDGET"),
        ):
            action = (
                f"const field = document.querySelector(\"{selector}\"); field.value = '{value}';"
                " field.dispatchEvent(new Event('change', { bubbles: true }))"
            )
            print(f"first row, {name:25} {page.evaluate(_UNTIL_ROW, action):7,.0f} ms")
        page.goto(f"{server.url}/desk")
        wait_until(page, "document.querySelector('[role=row] a') !== null")
        found: dict[str, Any] = page.evaluate(_SCROLL, asked.screens)
        frames = sorted(found["frames"])
        print(f"scrolled through {found['top'] / 40:,.0f} rows in {len(frames)} steps:")
        print(f"  a frame: median {statistics.median(frames):.0f} ms,", end=" ")
        print(f"95 in 100 below {frames[len(frames) * 95 // 100]:.0f}, longest {frames[-1]:.0f}")
        print(f"  waited for a page {len(found['waits'])} times,", end=" ")
        print(f"{max(found['waits'], default=0):,.0f} ms at the longest")
        print(f"  rows in the page: {max(found['rows'])} at the most")
        context.close()


def _opened(page: Page, url: str) -> float:
    """How long it took to the first row, in ms."""
    page.goto("about:blank")
    page.goto(url, wait_until="commit")
    wait_until(page, "document.querySelector('[role=row] a') !== null")
    shown: float = page.evaluate("performance.getEntriesByName('first-row')[0].startTime")
    return shown


if __name__ == "__main__":
    main()
