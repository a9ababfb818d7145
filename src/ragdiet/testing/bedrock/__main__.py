"""``python -m ragdiet.testing.bedrock``: a stand-in to work against by hand, until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading

from ragdiet.testing.bedrock.server import BedrockServer


def main(arguments: list[str] | None = None) -> None:
    """Print the endpoint's URL, then the variables that lead boto3 there, and serve."""
    parser = argparse.ArgumentParser(prog="python -m ragdiet.testing.bedrock", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--chat", action="append", metavar="MODEL", help="a chat model; all known ones if left out")
    given = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with BedrockServer(
        region=given.region, chat=given.chat, host=given.host, port=given.port, keep_requests=False
    ) as server:
        print(server.url, flush=True)
        for name, value in server.environment.items():
            print(f"export {name}={value}", flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
