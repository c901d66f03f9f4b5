"""A JupyterHub that starts one person's server through the image's start script, in one container.

As `jupyterhub --config hub.py` it is the configuration: a real Hub, without the proxy in front of
it, which is a program of Node.js. As a program it starts that Hub, asks for a server for `ann`, and
prints what the server answers to nobody and to her.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

HUB, SERVER = "http://127.0.0.1:8081/hub/api", "http://127.0.0.1:8888/user/ann/"
KEY = "the-key-of-this-test"


def configure(c):
    """Set the Hub up."""
    from jupyterhub.proxy import Proxy

    class Direct(Proxy):
        """Everybody is asked directly; only remembers what a proxy would have been told."""

        should_start = False
        known: dict = {}  # noqa: RUF012

        async def add_route(self, routespec, target, data):
            self.known[routespec] = {"routespec": routespec, "target": target, "data": data}

        async def delete_route(self, routespec):
            self.known.pop(routespec, None)

        async def get_all_routes(self):
            return self.known

    c.JupyterHub.proxy_class = Direct
    c.JupyterHub.authenticator_class = "dummy"
    c.JupyterHub.spawner_class = "simple"
    c.JupyterHub.db_url = "sqlite:////tmp/hub.sqlite"
    c.JupyterHub.cookie_secret_file = "/tmp/hub-secret"
    c.JupyterHub.services = [{"name": "test", "api_token": KEY}]
    c.JupyterHub.load_roles = [{"name": "test", "services": ["test"], "scopes": ["admin:users",
        "admin:servers", "tokens"]}]  # fmt: skip
    c.Spawner.cmd = ["start.sh", "jupyterhub-singleuser"]
    c.Spawner.port = 8888
    # This spawner hands on little; a container's has all that the image sets.
    names = ("JUPYTER_CONFIG_PATH", "SANDBOX_ADDRESS", "JAVA_HOME", "SHELL")
    c.Spawner.environment = {name: os.environ[name] for name in names}


def ask(address, key="", method="GET", data=None):
    """Give (status, answer)."""
    request = urllib.request.Request(address, data=data, method=method)
    if key:
        request.add_header("Authorization", f"token {key}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def main():
    """Start the Hub, ask for a server, ask the server."""
    hub = subprocess.Popen(["jupyterhub", "--config", __file__], cwd="/tmp", stdout=sys.stderr)
    try:
        while ask(f"{HUB}/")[0] != 200:
            if hub.poll() is not None:
                sys.exit("the Hub has ended")
            time.sleep(0.2)
        ask(f"{HUB}/users/ann", KEY, "POST", b"{}")
        ask(f"{HUB}/users/ann/server", KEY, "POST", b"{}")
        while not json.loads(ask(f"{HUB}/users/ann", KEY)[1])["servers"].get("", {}).get("ready"):
            time.sleep(0.2)
        own = json.loads(ask(f"{HUB}/users/ann/tokens", KEY, "POST", b"{}")[1])["token"]
        print("nobody:", ask(f"{SERVER}api/contents")[0])
        print("wrong token:", ask(f"{SERVER}api/contents", "wrong")[0])
        status, answer = ask(f"{SERVER}api/contents", own)
        print("ann:", status, sorted(entry["name"] for entry in json.loads(answer)["content"]))
    finally:
        hub.kill()  # all else ends with the container
        hub.wait()


if __name__ == "__main__":
    main()
elif "get_config" in globals():
    configure(get_config())  # noqa: F821
