"""The page behind /spark: Spark's own pages while a session shows them, else how to start one.

    spark_page.py PORT

Jupyter starts this on demand and asks for the token or password first. Sessions take the first free
port from 4040 on.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PORTS = range(4040, 4051)
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"}
NOTHING = """<!doctype html><title>Spark</title>
<style>body {font: 16px sans-serif; max-width: 40em; margin: 4em auto}
pre {background: #eee; padding: 1em}</style>
<h1>No Spark session shows its pages now</h1>
<p>Start a session first, in a notebook:</p>
<pre>from sandbox.lib.spark import spark_session
spark = spark_session("local[3]", conf={"spark.ui.enabled": "true"})</pre>
<p>Then load this page again.</p>
"""


class Page(BaseHTTPRequestHandler):
    """Hands requests on to the newest session's pages."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with Spark's page, or with how to get one."""
        context = self.headers.get("X-Forwarded-Context", "")
        for port in reversed(PORTS):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                # Spark writes its links below this context.
                connection.request(
                    self.command, self.path, headers={"X-Forwarded-Context": context}
                )
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException):
                continue
            finally:
                connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() == "location":
                    value = urlsplit(value).path  # Jupyter puts the context before it
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self._finish(body)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self._finish(NOTHING.encode())

    do_POST = do_HEAD = do_GET  # noqa: N815

    def _finish(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: Jupyter logs the requests already."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
