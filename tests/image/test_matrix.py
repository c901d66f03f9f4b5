"""Every way to start the image that people were seen to use: who, where, under which restrictions.

One table; `docker/README.md` shows it to people, and is compared.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.image.kit import ROOT, wait_until

WORK = "/home/jovyan/work"
TOKEN = "token-for-the-matrix"
LOST = "notebooks are kept in this container, and lost with it"
HARD = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}
ROOTLESS = {  # the user namespace of a rootless daemon, whose owner is uid 1234 outside
    "user": "root",
    "security_opt": ["seccomp=unconfined"],
}


def rootless(uid):
    """Start as this uid inside such a namespace."""
    return {**ROOTLESS, "entrypoint": ["python", "/rootless.py", "1234", uid, "start.sh"]}


@dataclass(frozen=True)
class Case:
    """One way to start it, and what is seen."""

    started: str
    seen: str  # both as the README says them
    owner: tuple[int, int] | None = (1000, 100)  # of the mounted folder; None: there is none
    at: str = WORK
    mode: str = "rw"
    options: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    kept: tuple[int, int] | None = None  # owner of a file saved in JupyterLab, in the folder
    lost: bool = False  # such a file is in the container only
    status: int | None = None  # or it ends, with this status
    says: tuple[str, ...] = ()


CASES = (
    Case("as it is, a folder of uid 1000", "kept", kept=(1000, 100)),
    Case(
        "`--user 5000:5000`, a folder of that uid, everything taken away that can be",
        "kept",
        owner=(5000, 5000),
        options={"user": "5000:5000", **HARD},
        kept=(5000, 5000),
    ),
    Case(
        "`--user root`, a folder of uid 4242",
        "becomes uid 4242; kept",
        owner=(4242, 4343),
        options={"user": "root"},
        kept=(4242, 4343),
    ),
    Case(
        "`--user root` under a rootless daemon",
        "stays the root that is an ordinary user outside; kept, as that user",
        owner=(1234, 1234),
        options=rootless("0"),
        kept=(1234, 1234),
    ),
    Case(
        "under a rootless daemon without `--user root`",
        "stops, names `--user root` and `keep-id`",
        owner=(1234, 1234),
        options=rootless("1000"),
        status=2,
        says=("cannot be written by uid 1000; it belongs to uid 0", "--user root", "keep-id"),
    ),
    Case(
        "a folder of another user",
        "stops, names the `--user` that fits",
        owner=(4242, 4343),
        status=2,
        says=("cannot be written by uid 1000; it belongs to uid 4242", "--user 4242:4343"),
    ),
    Case(
        "`--user root`, a folder of root (Docker makes those that are not there)",
        "stops: not as root",
        owner=(0, 0),
        options={"user": "root"},
        status=2,
        says=("cannot be written by uid 1000; it belongs to uid 0", "Mount a folder of your own"),
    ),
    Case(
        "the folder read-only",
        "stops, names the cure",
        mode="ro",
        status=2,
        says=("It is mounted read-only", "SANDBOX_HOME=/tmp/work"),
    ),
    Case(
        "the folder read-only, a command",
        "runs it, and says that nothing can be written",
        mode="ro",
        command=("pwd",),
        status=0,
        says=("It is mounted read-only", f"\n{WORK}\n"),
    ),
    Case(
        "the folder read-only, `-e SANDBOX_HOME=/tmp/work`",
        "runs, says that the work is lost with the container",
        mode="ro",
        options={"environment": {"SANDBOX_HOME": "/tmp/work"}},
        lost=True,
        says=(LOST,),
    ),
    Case(
        "no folder",
        "runs, says that the work is lost with the container",
        owner=None,
        lost=True,
        says=(LOST, f'-v "$PWD:{WORK}"'),
    ),
    Case(
        "no folder, `--user 5000`",
        "the same",
        owner=None,
        options={"user": "5000"},
        lost=True,
        says=(LOST,),
    ),
    Case(
        "a folder mounted elsewhere",
        "the same, and names `SANDBOX_HOME`",
        at="/workspace",
        lost=True,
        says=(LOST, "-e SANDBOX_HOME='/workspace'"),
    ),
    Case(
        "a folder at `/srv/Mein Kurs (ä) $x's`, `-e SANDBOX_HOME` with that name",
        "kept",
        at="/srv/Mein Kurs (ä) $x's",
        options={"environment": {"SANDBOX_HOME": "/srv/Mein Kurs (ä) $x's"}},
        kept=(1000, 100),
    ),
    Case(
        "the folder mounted over the whole home, `/home/jovyan`",
        "stops, names the right place",
        at="/home/jovyan",
        status=2,
        says=("mounted at another place", f'-v "$PWD:{WORK}"'),
    ),
    Case(
        "`--ServerApp.base_url=/class/7/`",
        "kept; everything below that address",
        options={"environment": {"BASE": "/class/7/"}},
        command=("--ServerApp.base_url=/class/7/",),
        kept=(1000, 100),
    ),
    Case(
        "`-m 600m`",
        "kept; says that lessons take more memory",
        options={"mem_limit": "600m"},
        kept=(1000, 100),
        says=("this container may use 600 MB of memory",),
    ),
)
# Saves a file as JupyterLab does, once it answers; prints where /lab leads to.
SAVE = f"""
at="http://127.0.0.1:8888${{BASE:-/}}"
until curl -sf "${{at}}api" >/dev/null; do sleep 0.1; done
curl -sf -X PUT -H 'Authorization: token {TOKEN}' -d '{
    json.dumps({"type": "file", "format": "text", "content": "mine"})
}' "${{at}}api/contents/mine.txt" >/dev/null
curl -s -o /dev/null -w '%{{redirect_url}}' -H 'Authorization: token {TOKEN}' "${{at}}lab"
"""


def start(containers, case, folder):
    """Start it as the case says."""
    options = {"network_mode": "none", **case.options}
    volumes = {str(ROOT / "tests/image/rootless.py"): {"bind": "/rootless.py", "mode": "ro"}}
    if folder is not None:
        volumes[str(folder)] = {"bind": case.at, "mode": case.mode}
    options["environment"] = {"SANDBOX_TOKEN": TOKEN, **options.get("environment", {})}
    return containers.start(list(case.command), volumes=volumes, **options)


def said_by(container):
    return container.logs().decode(errors="replace")


@pytest.mark.docker
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.started)
def test_work_is_kept_or_the_loss_is_told(containers, work, case):
    folder = work(*case.owner) if case.owner else None
    box = start(containers, case, folder)
    if case.status is not None:
        assert box.wait(timeout=120)["StatusCode"] == case.status, said_by(box)
    else:
        answer = box.exec_run(["timeout", "60", "bash", "-c", SAVE])
        assert answer.exit_code == 0, said_by(box)
        base = case.options.get("environment", {}).get("BASE", "/")
        assert answer.output.decode().endswith(f"{base}lab/tree/notebooks/00_start.ipynb")
        # Nothing of what is mounted, and no other place, has got the file by mistake.
        found = [path for path in folder.rglob("mine.txt")] if folder else []
        assert len(found) == (0 if case.lost else 1), said_by(box)
        for path in found:
            assert (path.stat().st_uid, path.stat().st_gid) == case.kept
    for words in case.says:
        assert words in said_by(box)
    assert (LOST in said_by(box)) is case.lost
    if case.status == 2:
        assert not [name for _, _, names in os.walk(folder) for name in names]


@pytest.mark.docker
def test_work_and_packages_outlive_stop_and_start(containers, work):
    folder = work(1000, 100)
    box = start(containers, CASES[0], folder)
    assert box.exec_run(["timeout", "60", "bash", "-c", SAVE]).exit_code == 0, said_by(box)
    box.restart(timeout=5)
    again = box.exec_run(["timeout", "60", "bash", "-c", f"{SAVE}\ncat mine.txt"], workdir=WORK)
    assert again.output.endswith(b"00_start.ipynbmine"), said_by(box)
    check = ["python", "/opt/sandbox/bin/healthcheck.py"]
    wait_until(lambda: box.exec_run(check).exit_code == 0, "healthy again", patience_s=30)


def table():
    """Give the table as the README shows it."""
    rows = [f"| {case.started} | {case.seen} |" for case in CASES]
    return "\n".join(["| started | seen |", "|---|---|", *rows])


def test_readme_shows_what_was_tried():
    assert table() in (ROOT / "docker" / "README.md").read_text(encoding="utf-8")
