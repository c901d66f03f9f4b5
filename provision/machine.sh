#!/bin/sh
# Turn a Debian machine into a sandbox: what Packer and `sandbox vm build` run, as root, with
# /opt/sandbox/provision and /opt/sandbox/app in place. Safe to run again.
#   machine.sh vm|ami [--lean]
# vm: for a screen and a local network; ami: for a cloud, behind SSH. --lean: see trim.py.
set -eu

kind="$1"
lean="${2:-}"
here="$(cd "$(dirname "$0")" && pwd)"

# What the system had before us is no leftover of ours: `seal.sh --check` looks for the rest.
[ -s /opt/sandbox/base.list ] || "$here/seal.sh" --list >/opt/sandbox/base.list
"$here/system.sh"
if [ ! -x /opt/sandbox/venv/bin/sandbox ]; then
  "$here/environment.sh" "$here/requirements.lock" ${lean:+"$lean"}
elif [ -n "$lean" ]; then
  /opt/sandbox/venv/bin/python -B "$here/trim.py" /opt/sandbox/venv "$lean"
fi
"$here/user.sh" jovyan
"$here/project.sh"
"$here/service.sh" "$kind"
/opt/sandbox/venv/bin/python -B "$here/manifest.py" /opt/sandbox
# A machine that has one has its packages from the same build.
[ -s /opt/sandbox/sbom.spdx.json ] || "$here/sbom.sh"
