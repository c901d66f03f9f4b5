"""Jupyter's settings in the image, the AMI and the VM: always a secret, one port for everything.

SANDBOX_ADDRESS, SANDBOX_PORT   where to listen; 127.0.0.1 and 8888 if not set
SANDBOX_TOKEN                   the token; a random one if not set
SANDBOX_PASSWORD                a password instead, plain or hashed by `jupyter server password`
SANDBOX_INSECURE=1              allows SANDBOX_TOKEN= (none at all) off the loopback
SANDBOX_CERTIFICATE             a PEM file with key and certificate: HTTPS instead of HTTP
SANDBOX_RUNS                    TensorBoard's folder; `runs` below the work folder if not set
"""

import os
import sys
from pathlib import Path

from jupyter_server.auth import passwd

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (Jupyter brings it)


def refuse(problem, cure):
    """End with status 2, as all commands of the sandbox do on bad input."""
    print(f"sandbox: {problem}\n  {cure}", file=sys.stderr)
    sys.exit(2)


address = os.environ.get("SANDBOX_ADDRESS", "127.0.0.1")
c.ServerApp.ip = address
port = os.environ.get("SANDBOX_PORT", "8888")
if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
    refuse(f"SANDBOX_PORT must be a port, 1 to 65535; got {port!r}.", "Leave it unset for 8888.")
c.ServerApp.port = int(port)
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
certificate = os.environ.get("SANDBOX_CERTIFICATE")
if certificate:
    c.ServerApp.certfile = certificate
c.LabApp.default_url = "/lab"
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
# JupyterLab says "permanently" then; a waste basket would be a .Trash-1000 in the mounted folder.
c.FileContentsManager.delete_to_trash = False

# Taken out of the environment: kernels need not see them.
token = os.environ.pop("SANDBOX_TOKEN", None)
password = os.environ.pop("SANDBOX_PASSWORD", None)
if password:
    hashed = password if password.startswith(("argon2:", "sha1:")) else passwd(password)
    c.PasswordIdentityProvider.hashed_password = hashed
    c.IdentityProvider.token = ""
elif token == "":
    loopback = address in ("127.0.0.1", "::1", "localhost")
    if not loopback and os.environ.get("SANDBOX_INSECURE") != "1":
        refuse(
            f"SANDBOX_TOKEN must not be empty while Jupyter listens on {address}.",
            "Leave it unset for a random one, or give a SANDBOX_PASSWORD.",
        )
    c.IdentityProvider.token = ""
elif token is not None:
    c.IdentityProvider.token = token
# else Jupyter makes a random one, and prints it once into its log

here = Path(__file__).parent
c.ServerProxy.servers = {
    "spark": {
        "command": [sys.executable, str(here / "spark_page.py"), "{port}"],
        "absolute_url": False,
        "timeout": 20,
        "launcher_entry": {"title": "Spark"},
    },
    "tensorboard": {
        "command": [
            "tensorboard",
            f"--logdir={os.environ.get('SANDBOX_RUNS', 'runs')}",
            "--port={port}",
            "--host=127.0.0.1",
            "--path_prefix={base_url}tensorboard",
            "--load_fast=false",
        ],
        "absolute_url": True,
        "timeout": 60,
        "launcher_entry": {"title": "TensorBoard"},
    },
}
