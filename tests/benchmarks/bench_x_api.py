"""How long the client takes to page through a timeline beside a bare httpx loop that parses the same pages.

python tests/benchmarks/bench_x_api.py [--posts 100000] [--repeat 3]

The pages, of 100 posts, come from a simulator on loopback. Each way is a process of its own; printed are medians of
the wall clock and of CPU time without start-up, posts a second, the ratio to the bare loop, and memory: after a tenth
of the posts, and at its peak.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from musktracker.simulator.process import running_simulator

COMMON = """
import asyncio, json, sys, time
url, posts = sys.argv[1], int(sys.argv[2])
headers = {"Authorization": "Bearer any"}
asked = {"max_results": "100", "tweet.fields": "created_at,referenced_tweets,edit_history_tweet_ids"}

def memory(which):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(which)) / 1024

class Meter:
    def __init__(self):
        self.seen, self.early, self.begin, self.cpu = 0, 0.0, time.perf_counter(), time.process_time()
    def add(self, count):
        self.seen += count
        if not self.early and self.seen >= posts / 10:
            self.early = memory("VmRSS")
    def report(self):
        assert self.seen == posts, self.seen
        print(json.dumps({"seconds": time.perf_counter() - self.begin, "cpu": time.process_time() - self.cpu,
                          "early": self.early, "peak": memory("VmHWM")}))
"""
BARE = """
import httpx
async def main():
    async with httpx.AsyncClient(base_url=url, headers=headers) as http:
        meter, token = Meter(), {}
        while True:
            answer = await http.get("/2/users/4242/tweets", params=asked | token)
            page = json.loads(answer.content)
            meter.add(len(page["data"]))
            if "next_token" not in page["meta"]:
                return meter.report()
            token = {"pagination_token": page["meta"]["next_token"]}
asyncio.run(main())
"""
OURS = """
from musktracker.sources.x_api import XClient
async def main():
    async with XClient(url, "any") as client:
        meter = Meter()
        async for page in client.timeline(4242):
            meter.add(len(page.posts))
        meter.report()
asyncio.run(main())
"""
WAYS = {"bare httpx loop": BARE, "client": OURS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with running_simulator(posts=arguments.posts, limits="none", reach=None, usage_cap=1 << 60) as simulator:
        _measure(BARE, simulator.url, arguments.posts)  # from here on the simulator has every post at hand
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS}
        for _ in range(arguments.repeat):
            for name, code in WAYS.items():
                found[name].append(_measure(code, simulator.url, arguments.posts))
    _print(found, arguments.posts)


def _measure(code: str, url: str, posts: int) -> dict[str, float]:
    command = [sys.executable, "-c", COMMON + code, url, str(posts)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, float] = json.loads(printed)
    return result


def _print(found: dict[str, list[dict[str, Any]]], posts: int) -> None:
    medians = {
        name: {key: statistics.median(result[key] for result in results) for key in results[0]}
        for name, results in found.items()
    }
    bare = medians["bare httpx loop"]
    print(f"{posts:,} posts in pages of 100, medians of {len(found['client'])}")
    for name, of in medians.items():
        print(
            f"{name:<16} {of['seconds']:6.2f} s ({of['seconds'] / bare['seconds']:.2f} times)   "
            f"CPU {of['cpu']:6.2f} s ({of['cpu'] / bare['cpu']:.2f} times)   {posts / of['seconds']:8,.0f} posts/s   "
            f"memory {of['early']:.1f} MB after a tenth, {of['peak']:.1f} MB at its peak"
        )


if __name__ == "__main__":
    main()
