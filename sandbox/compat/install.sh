#!/bin/sh
# Build the wheel of sandbox-bigdl and install it, without a network.
#   install.sh PYTHON       PYTHON is that of an environment with pip and setuptools
set -eu

python="$1"
here="$(cd "$(dirname "$0")" && pwd -P)"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cp -R "$here" "$folder/source" # a build writes beside its sources, which may be read-only
chmod -R u+w "$folder/source"
unset PYTHONPATH PIP_REQUIRE_HASHES # the wheel of this folder has no hash, and no other modules count
run_pip() {
  "$python" -P -m pip --disable-pip-version-check --quiet "$@"
}
run_pip wheel --no-index --no-deps --no-build-isolation --wheel-dir "$folder" "$folder/source"
run_pip install --no-index --no-deps --no-compile --force-reinstall --root-user-action=ignore \
  "$folder"/sandbox_bigdl-*.whl
