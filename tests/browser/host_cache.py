"""Measure how long Chromium keeps an address, whatever the TTL: `python -m tests.browser.host_cache [minutes]`.

Sends a request every second, each on a new connection, on the client of the running lab. Prints when the browser
asked DNS and which frontend answered from then on.

Chromium 156, five minutes at a TTL of 5 s: asked after 0, 60, 120, 181 and 242 s, and another frontend each time.
"""

from __future__ import annotations

import sys
from time import monotonic

from lab.inventory import Inventory
from lab.machines import Lab
from tests.browser.chromium import chromium

OWN_CACHE_MS = 0.4
"""Chromium takes at most this long for a lookup in its own DNS cache."""

ASK = """async () => {
  performance.clearResourceTimings();
  const answer = await fetch("/conexao-nova/status", { cache: "no-store" });
  await answer.arrayBuffer();
  await new Promise((done) => setTimeout(done, 1000));
  const [timing] = performance.getEntriesByType("resource").filter(({ name }) => name.includes("conexao-nova"));
  return [answer.headers.get("X-Frontend"), timing.domainLookupEnd - timing.domainLookupStart];
}"""


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 4
    lab = Lab(Inventory.load())
    try:
        with chromium(lab.tier("clients")[0]) as browser:
            page = browser.new_page()
            page.goto(f"{lab.site_url}/lab.json")  # same origin, but no scripts
            started, before = monotonic(), ""
            while (now := monotonic() - started) < minutes * 60:
                frontend, milliseconds = page.evaluate(ASK)
                if milliseconds > OWN_CACHE_MS or frontend != before:
                    print(f"{now:6.1f} s  {frontend}  lookup {milliseconds:.1f} ms", flush=True)
                before = frontend
    finally:
        lab.close()


if __name__ == "__main__":
    main()
