#!/bin/sh
# Make the Python environment /opt/sandbox/venv from lock files, cut away what never runs, and
# compile the rest once.
#   environment.sh LOCK... [--lean]
# PIP_CERT may name a file of additional certificate authorities. --lean: see trim.py.
# Safe to run again.
set -eu

lean=""
for word do
  shift
  case "$word" in
    --lean) lean="$word" ;;
    *) set -- "$@" --requirement "$word" ;;
  esac
done
here="$(cd "$(dirname "$0")" && pwd)"
root=/opt/sandbox
venv="$root/venv"

see_user_packages() { # true or false
  sed -i "s/^\(include-system-site-packages = \).*/\1$1/" "$venv/pyvenv.cfg"
}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
see_user_packages false # what is locked is installed here, whatever else there is
"$venv/bin/python" -m pip install --quiet --no-cache-dir --no-compile \
  --retries 10 --timeout 60 --disable-pip-version-check --require-hashes "$@"
"$venv/bin/python" -B "$here/trim.py" "$venv" ${lean:+"$lean"}

# The sandbox itself is not installed: the environment looks into its folder.
packages="$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
printf '%s\n' "$root/app" >"$packages/bigdl-sandbox.pth"
cat >"$venv/bin/sandbox" <<'TEXT'
#!/bin/sh
exec /opt/sandbox/venv/bin/python -P -m sandbox.cli "$@"
TEXT
chmod 0755 "$venv/bin/sandbox"

# Compiled here, since a container may be read-only and an emulated machine is slow at it. The
# hashes of the sources are kept instead of their times, so that two builds are alike.
"$venv/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$packages" \
  >/dev/null || true # some packages carry templates that are no Python

# From here on a person's own packages are seen too, after the locked ones, which they cannot
# replace: `pip install` puts them below PYTHONUSERBASE.
see_user_packages true
printf '[global]\ndisable-pip-version-check = true\n' >"$venv/pip.conf"
