"""Healthy means: the Jupyter server that this container started answers its API.

The address comes from the server's own runtime file, so port and base URL may be anything; proxies
in the environment are ignored. A container that runs another command is healthy while it runs.
"""

import json
import os
import ssl
import sys
import urllib.request
from pathlib import Path

RUNTIME = Path(os.environ.get("JUPYTER_RUNTIME_DIR", "/tmp/jupyter-runtime"))


def main() -> int:
    """Return 0 when the newest server answers."""
    if (RUNTIME / "no-server").exists():
        print("this container runs a command, no server")
        return 0
    files = list(RUNTIME.glob("jpserver-*.json"))
    if not files:
        print("no Jupyter server has started yet")
        return 1
    server = json.loads(max(files, key=lambda file: file.stat().st_mtime).read_text("utf-8"))
    unchecked = ssl._create_unverified_context()  # its own certificate, on its own loopback
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    )
    scheme = "https" if server.get("secure") else "http"
    address = f"{scheme}://127.0.0.1:{server['port']}{server['base_url']}api"
    with opener.open(address, timeout=2.5) as answer:
        print(answer.read().decode())
        return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(error)
        sys.exit(1)
