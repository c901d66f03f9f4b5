"""Run a command as rootless Docker and Podman do: in a user namespace where its owner is root.

    rootless.py OWNER UID COMMAND...

Runs inside a container, as root. In the namespace 0 is OWNER, and 1 and above are 100000 and above;
the command runs there as UID. Real ids that are not mapped, those of the image's files too, show as
nobody's: what a real rootless daemon would have mapped as well.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000


def main() -> None:
    """Make the namespace and become the command."""
    owner, uid = int(sys.argv[1]), int(sys.argv[2])
    libc = ctypes.CDLL(None, use_errno=True)
    parted, told = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # whoever writes the map must be outside
        os.read(parted[0], 1)
        for kind in ("uid", "gid"):
            with open(f"/proc/{os.getppid()}/{kind}_map", "w", encoding="ascii") as file:
                file.write(f"0 {owner} 1\n1 100000 65536\n")
        os.write(told[1], b".")
        os._exit(0)
    if libc.unshare(CLONE_NEWUSER):
        sys.exit(f"no user namespace can be made here: {os.strerror(ctypes.get_errno())}")
    os.write(parted[1], b".")
    os.read(told[0], 1)
    os.waitpid(child, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execvp(sys.argv[3], sys.argv[3:])


if __name__ == "__main__":
    main()
