"""JupyterLab whose door no old configuration opens: for `sandbox lab`, the images and machines.

`python -P -m sandbox.cli.server ARGUMENTS` takes the arguments of `jupyter lab`.

Jupyter reads every configuration a person ever had, back to the days of `c.NotebookApp.token = ""`.
Here what decides who may come in (`ACCESS`) is taken from our own files and from the arguments of
this start only; found elsewhere it is left out, and said so. All other settings of a person count.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

from jupyter_server.auth.security import passwd_check
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import JupyterServerAuthWarning, ServerApp
from jupyter_server.utils import url_path_join
from jupyterlab.labapp import LabApp
from tornado.web import authenticated
from traitlets import default
from traitlets.config import Config

from .errors import CommandError
from .places import START, check_runtime_folder

# Whose files are ours: beside this file, and where an image keeps them.
OURS = (Path(__file__).parent / "jupyter", Path("/opt/sandbox/etc/jupyter"))
PASSWORDS = {"password", "hashed_password"}  # one that must be typed opens to nobody else
# Which address and which names are answered, who is asked for the secret, what a page of another
# host may do; by the names of the settings, whatever class they are written under.
ACCESS = PASSWORDS | {
    *("ip", "sock", "sock_mode", "local_hostnames", "allow_remote_access"),
    *("token", "need_token", "cookie_secret", "cookie_secret_file"),
    *("identity_provider_class", "login_handler_class", "tornado_settings", "webapp_settings"),
    *("allow_unauthenticated_access", "authenticate_prometheus", "disable_check_xsrf"),
    *("allow_origin", "allow_origin_pat", "allow_credentials", "transport_encryption"),
}
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LAB_CONFIG = "jupyter_lab_config"


def apart(config: Config) -> tuple[Config, Config]:
    """Part a configuration: what leaves the door alone, and what opens it or says who may."""
    rest, access = deepcopy(config), Config()
    for section, values in config.items():
        if not isinstance(values, Config):
            continue
        for name in ACCESS & values.keys():
            if name not in PASSWORDS or not _must_be_typed(values[name]):
                access[section][name] = rest[section].pop(name)
    return rest, access


def names_in(config: Config) -> list[str]:
    """Name all settings of a configuration as its files write them."""
    return sorted(f"{section}.{name}" for section, values in config.items() for name in values)


def find_programs() -> None:
    """Let terminals and `!commands` find this environment's programs, Java, and a shell.

    Started by a desktop or a service, this process may have neither a SHELL nor our PATH.
    """
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    ours = str(Path(sys.executable).parent)
    if ours not in path:
        path.insert(0, ours)
    if (home := os.environ.get("JAVA_HOME")) and not shutil.which("java"):
        path.append(str(Path(home) / "bin"))
    os.environ["PATH"] = os.pathsep.join(path)
    if not shutil.which(os.environ.get("SHELL", "")):
        os.environ["SHELL"] = shutil.which("bash") or shutil.which("sh") or "/bin/sh"


def _must_be_typed(password: Any) -> bool:
    """Tell whether a hashed password keeps people out: one is set, and it is not the empty one."""
    return isinstance(password, str) and bool(password) and not passwd_check(password, "")


class Server(ServerApp):
    """A Jupyter server that asks for its token."""

    _overruled: ClassVar[dict[str, list[str]]] = {}  # file -> settings
    _own: Config | None = None  # what our files and the arguments say of access

    @default("terminado_settings")
    def _terminado_settings_default(self) -> dict[str, list[str]]:
        # Named here, it is no login shell, which would set PATH anew and lose this environment.
        return {"shell_command": [os.environ["SHELL"]]}

    @default("allow_unauthenticated_access")
    def _allow_unauthenticated_access_default(self) -> bool:
        return False

    def initialize(self, *arguments: Any, **options: Any) -> None:
        """Make everything but start it."""
        check_runtime_folder()
        find_programs()
        # Jupyter pings pages itself and lends Tornado its numbers, which mean something else there.
        # Not cured by equal ones: Jupyter would close each page after 30 s, before its first ping.
        logging.getLogger("tornado.general").addFilter(
            lambda record: "websocket_ping_timeout" not in record.getMessage()
        )
        # Extensions' pages without a rule of their own are closed here, which is what it warns of.
        warnings.simplefilter("ignore", JupyterServerAuthWarning)
        self._overruled.clear()
        super().initialize(*arguments, **options)

    @classmethod
    def _load_config_files(cls, *arguments: Any, **options: Any) -> Iterator[tuple[Config, str]]:
        for config, file in super()._load_config_files(*arguments, **options):
            if Path(file).parent not in OURS:
                config, access = apart(config)
                if access:
                    cls._overruled[file] = names_in(access)
            yield config, file

    def init_webapp(self) -> None:
        """Make the pages; ours comes before those of the extensions."""
        super().init_webapp()
        self.web_app.add_handlers(".*$", [(url_path_join(self.base_url, "lab/?"), StartHandler)])

    def init_server_extensions(self) -> None:
        """Link the extensions: each reads files of its own, and hands settings to the server."""
        self._own = apart(self.config)[1]
        super().init_server_extensions()

    def update_config(self, config: Config) -> None:
        """Take settings; from extensions only those that leave the door alone."""
        if self._own is not None:
            config, access = apart(config)
            told = [names_in(self._own), *self._overruled.values()]
            if handed := [name for name in names_in(access) if not any(name in n for n in told)]:
                self._overruled[f"{LAB_CONFIG} or an extension's"] = handed
            config.merge(self._own)
        super().update_config(config)

    def init_configurables(self) -> None:
        """Make the parts of the server, and see that the door is shut."""
        super().init_configurables()
        for file, names in self._overruled.items():
            print(
                f"sandbox: {', '.join(names)} in {file} overruled: who may come in is settled at "
                "each start, by the token.",
                file=sys.stderr,
            )
        provider = self.identity_provider
        shut = provider.auth_enabled and provider.token == provider.token.strip()
        if shut or self.ip in LOOPBACK or os.environ.get("SANDBOX_INSECURE") == "1":
            return
        raise CommandError(
            f"Jupyter must ask for a token while it listens on {self.ip}; got an empty one.",
            "Leave the token out (arguments, JUPYTER_TOKEN_FILE) for a random one.",
        )


class StartHandler(JupyterHandler):
    """The way from `/lab` to the page where learners start, if there is one."""

    @authenticated
    def get(self) -> None:
        """Lead on; what else was asked for goes along."""
        start = start_page(Path(self.settings["server_root_dir"]))
        if start is None or "reset" in self.request.arguments:
            place = "lab/workspaces/default"
        else:
            place = url_path_join("lab/tree", start)
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(url_path_join(self.base_url, place) + query)


def start_page(root: Path) -> str | None:
    """Find the start page below the folder that is served: there, or among the copied lessons."""
    root = root.expanduser()
    places = (START, f"notebooks/{START}")
    return next((place for place in places if (root / place).is_file()), None)


class Lab(LabApp):
    """JupyterLab on such a server."""

    serverapp_class = Server

    @classmethod
    def get_extension_package(cls) -> str:
        """Name the package that brings the pages: not this one."""
        return "jupyterlab"


def main() -> None:
    """Serve until stopped; what the user can correct is told with its cure and ends with 2."""
    try:
        Lab.launch_instance(sys.argv[1:])
    except CommandError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
