"""A local S3 server (moto) as a process of its own: `python s3_server.py LOG` prints its port.

Of its own, because `DeltaTable.is_deltatable` keeps Python's lock while it waits for an answer. LOG gets a line a
request: method, path, and `If-None-Match` or `-`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def main(log: str) -> None:
    moto = DomainDispatcherApplication(create_backend_app)
    one = threading.Lock()

    def serve(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        condition = environ.get("HTTP_IF_NONE_MATCH", "-")
        with open(log, "a") as file:
            file.write(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {condition}\n")
        if environ["REQUEST_METHOD"] != "PUT":
            return moto(environ, start)
        with one:  # moto looks and then writes, in two steps
            return moto(environ, start)

    server = make_server("127.0.0.1", 0, serve, threaded=True, request_handler=Silent)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
