#!/usr/bin/env bash
# Start the BigDL sandbox on this machine: no Docker, no root, nothing to install by hand.
# The first start makes a Python environment beside this file (a few minutes, about 3 GB);
# later starts go straight to JupyterLab.
#
# Environment variables, all optional:
#   SANDBOX_PYTHON      the Python (3.11 or newer) to build the environment from
#   SANDBOX_VENV        where the environment is kept; default: .venv beside this file, or
#                       ~/.local/share/bigdl-sandbox when this folder cannot be written; clones
#                       with the same packages can share one, each runs its own code
#   SANDBOX_INSTALLER   uv or pip; default: uv where it can be had, else pip
#   SANDBOX_DATA        a folder with data sets (MNIST and others)
#   JAVA_HOME           a Java 17 to 21; default: java on the PATH, else the one installed by pip
set -euo pipefail

script="${BASH_SOURCE[0]}"
while [[ -L "$script" ]]; do # the script may be called through a link
  target="$(readlink -- "$script")"
  if [[ "$target" == /* ]]; then script="$target"; else script="$(dirname -- "$script")/$target"; fi
done
unset CDPATH # with it, cd prints where it goes
root="$(cd -- "$(dirname -- "$script")" && pwd -P)"
lock="$root/requirements.lock"
recipe=3 # raise it when set_up changes in a way that asks for a new environment

usage() {
  cat <<'TEXT'
Usage: ./run-bigdl-native.sh [VERB] [OPTIONS]

  lab               open JupyterLab on 127.0.0.1 with a random token (the default)
  run NOTEBOOK      execute a notebook without a browser and print its key figures
  test              check style, types, units, contracts, Spark, notebooks, browser;
                    --quick: without the last three; --all: with the longer samples,
                    every notebook and, as root on Debian, the Docker image and the
                    virtual machine
  doctor            say what this machine has, what is missing, and the cure
  bench [NAME]      measure; without a name, list what can be measured
  setup             make the environment and stop

  --port N          lab: first port to try (8888); the next free one is taken
  --no-browser      lab: print the address only
  --offline         use no network: neither for the set-up nor for data sets
  --help            this text; after a verb: that verb's options

Other verbs: data, reset, docker, vm, ami (see VERB --help). Variables: see the head of this file.
TEXT
}

usage_of_setup() {
  cat <<'TEXT'
Usage: ./run-bigdl-native.sh setup [--offline]

Make the Python environment and stop: some minutes and about 3 GB, once; then a moment.
Any other verb does the same when it is needed.

  --offline         take packages from the installer's cache only

Where it is kept, and with what it is made: SANDBOX_VENV, SANDBOX_PYTHON, SANDBOX_INSTALLER
(see the head of this file).
TEXT
}

say() { printf '%s\n' "$*" >&2; }

die() { # message, then lines of cure
  printf 'run-bigdl-native: %s\n' "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 2
}

is_root() { [[ "$(id -u)" == 0 ]]; }

# --- Python -------------------------------------------------------------------------------

python_fits() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
  local name found=""
  if [[ -n "${SANDBOX_PYTHON:-}" ]]; then
    python_fits "$SANDBOX_PYTHON" ||
      die "SANDBOX_PYTHON must be a Python 3.11 to 3.13; got $SANDBOX_PYTHON."
    command -v "$SANDBOX_PYTHON"
    return
  fi
  for name in python3.13 python3.12 python3.11 python3 python; do
    if ! command -v "$name" >/dev/null; then continue; fi
    if python_fits "$name"; then
      command -v "$name"
      return
    fi
    found="${found:+$found, }$("$name" --version 2>&1 | head -n 1)"
  done
  die "Python 3.11, 3.12 or 3.13 is needed; on the PATH: ${found:-none}." \
    "Debian, Ubuntu:  sudo apt-get install python3 python3-venv" \
    "Fedora:          sudo dnf install python3.13" \
    "macOS:           brew install python@3.13" \
    "Another place?   SANDBOX_PYTHON=/path/to/python3 ./run-bigdl-native.sh"
}

# Debian and Ubuntu ship Python without the module that makes environments.
make_environment() { # base Python
  local base="$1" package
  package="python$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  if ! "$base" -c 'import venv, ensurepip' 2>/dev/null; then
    if command -v uv >/dev/null && [[ "${SANDBOX_INSTALLER:-uv}" == uv ]]; then
      uv venv --quiet --seed --allow-existing --python "$base" "$venv" && return
    fi
    if is_root && command -v apt-get >/dev/null && [[ -z "$offline" ]]; then
      say "This Python has no venv module; installing Debian's $package."
      { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y "$package"; } \
        >/dev/null 2>&1 || die "apt-get install $package failed." "Run it by hand to see why."
    else
      die "$base has no venv module (Debian and Ubuntu package it apart)." \
        "sudo apt-get install $package" "Then start this script again."
    fi
  fi
  "$base" -m venv "$venv"
}

# --- Packages -----------------------------------------------------------------------------

digest() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1
}

stamp_now() {
  stamp_of "$lock"
}

stamp_of() { # lock file
  { printf '%s\n' "$recipe"; cat "$1"; } | digest
}

is_ready() {
  [[ -x "$venv/bin/python" && -f "$venv/sandbox-stamp" ]] &&
    [[ "$(<"$venv/sandbox-stamp")" == "$(stamp_now)" ]]
}

# uv installs the same lock several times faster than pip. It comes from the lock as well.
find_uv() {
  if [[ "${SANDBOX_INSTALLER:-uv}" != uv ]]; then return 1; fi
  if command -v uv; then return; fi
  if [[ ! -x "$venv/bin/uv" ]]; then
    local entry="$venv/uv.lock"
    awk '/^[^ #]/ { keep = /^uv==/ } keep' "$lock" >"$entry"
    "$venv/bin/python" -m pip install --quiet --require-hashes --no-deps \
      ${offline:+--no-index} -r "$entry" >&2 2>/dev/null || return 1
  fi
  printf '%s\n' "$venv/bin/uv"
}

install_packages() {
  local uv
  if uv="$(find_uv)"; then
    if "$uv" pip install ${quiet:+--quiet} ${offline:+--offline} \
      --python "$venv/bin/python" --require-hashes -r "$lock" >&2; then
      return
    fi
    if [[ "${SANDBOX_INSTALLER:-}" == uv ]]; then return 1; fi
    say "uv could not install; trying pip."
  fi
  "$venv/bin/python" -m pip install --disable-pip-version-check ${quiet:+--quiet} \
    ${offline:+--no-index} --require-hashes -r "$lock" >&2
}

# Another clone's environment stays as that clone needs it.
check_owner() {
  local owner=""
  if [[ -f "$venv/sandbox-checkout" ]]; then owner="$(<"$venv/sandbox-checkout")"; fi
  if [[ -z "$owner" || "$owner" == "$root" || ! -f "$owner/requirements.lock" ]]; then return; fi
  if [[ "$(stamp_of "$owner/requirements.lock")" == "$(stamp_now)" ]]; then return; fi
  die "$venv belongs to the checkout $owner, which has other packages than this one." \
    "Name another folder in SANDBOX_VENV."
}

# The sandbox itself is not copied: the environment looks into this folder. No network, no build.
# The start below says which checkout counts; the path file serves who calls its Python directly.
install_project() {
  local packages
  packages="$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  printf '%s\n' "$root" >"$packages/bigdl-sandbox.pth"
  printf '%s\n' "$venv" >"$venv/sandbox-home"
  printf '%s\n' "$root" >"$venv/sandbox-checkout"
  cat >"$venv/bin/sandbox" <<TEXT
#!/bin/sh
exec "$venv/bin/python" -P -m sandbox.cli "\$@"
TEXT
  chmod +x "$venv/bin/sandbox"
  "$root/sandbox/compat/install.sh" "$venv/bin/python" >&2 # the packages bigdl and zoo, a kernel
}

# oneDNN asks for GNU OpenMP, which a slim system lacks. scikit-learn brings one under another name.
lend_openmp() {
  local found
  rm -rf "$venv/lib/openmp"
  if [[ "$(uname)" != Linux ]]; then return; fi
  if "$venv/bin/python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; then return; fi
  for found in "$venv"/lib/python3*/site-packages/scikit_learn.libs/libgomp*; do
    if [[ ! -f "$found" ]]; then continue; fi
    mkdir -p "$venv/lib/openmp"
    ln -s "$found" "$venv/lib/openmp/libgomp.so.1"
    return
  done
}

set_up() {
  local base started=$SECONDS free_mb
  [[ -f "$lock" ]] || die "requirements.lock is missing beside this script." "Clone the repository again."
  mkdir -p "$(dirname "$venv")"
  if command -v flock >/dev/null; then # two starts at once: the second one waits
    exec 9>"$venv.lock"
    flock -n 9 || { say "Another start is setting up; waiting for it."; flock 9; }
    if is_ready; then exec 9>&-; return; fi
  fi
  # An interrupted set-up leaves packages half written: begin again (the downloads are cached).
  if [[ -f "$venv/sandbox-incomplete" ]]; then
    say "The last set-up was interrupted; starting it again."
    rm -rf "$venv"
  elif [[ -e "$venv" ]] && ! { [[ -x "$venv/bin/python" ]] && python_fits "$venv/bin/python"; }; then
    [[ -f "$venv/pyvenv.cfg" || -f "$venv/sandbox-stamp" ]] ||
      die "$venv exists and is no Python environment." "Move it away, or set SANDBOX_VENV."
    say "The environment's Python is gone; making a new one."
    rm -rf "$venv"
  elif [[ -f "$venv/sandbox-home" && "$(<"$venv/sandbox-home")" != "$venv" ]]; then
    say "The environment was moved or copied; making a new one."
    rm -rf "$venv"
  fi
  check_owner
  free_mb="$(df -Pm "$(dirname "$venv")" | awk 'NR == 2 { print $4 }')"
  if [[ ! -d "$venv" ]] && ((free_mb < 4000)); then
    die "The environment needs 4 GB in $(dirname "$venv"); $free_mb MB are free." \
      "Free some space, or set SANDBOX_VENV to a folder on another disk."
  fi
  say "Setting up in $venv (once; some minutes, about 3 GB) ..."
  if [[ ! -x "$venv/bin/python" ]]; then
    base="$(find_python)" || exit 2
    mkdir -p "$venv"
    : >"$venv/sandbox-incomplete"
    make_environment "$base"
  fi
  : >"$venv/sandbox-incomplete"
  rm -f "$venv/sandbox-stamp"
  install_packages || die "The packages could not be installed (see above)." \
    "No network? Connect once, then --offline works. A proxy or own index: pip's settings are used with SANDBOX_INSTALLER=pip."
  install_project || die "The packages bigdl and zoo could not be installed (see above)." \
    "Start this script again; if that does not help, remove $venv first."
  lend_openmp
  stamp_now >"$venv/sandbox-stamp"
  rm -f "$venv/sandbox-incomplete" "$venv/uv.lock"
  if command -v flock >/dev/null; then exec 9>&-; fi
  say "Ready after $((SECONDS - started)) s."
}

# --- Start --------------------------------------------------------------------------------

verb=""
offline=""
arguments=()
for argument in "$@"; do
  case "$argument" in
    --offline) offline=1 ;;
    --help | -h) if [[ -z "$verb" ]]; then usage; exit 0; fi; arguments+=("$argument") ;;
    -*) arguments+=("$argument") ;;
    *) if [[ -z "$verb" && ${#arguments[@]} == 0 ]]; then verb="$argument"; else arguments+=("$argument"); fi ;;
  esac
done
verb="${verb:-lab}"
case "$verb" in
  lab | run | test | doctor | data | bench | reset | setup | docker | vm | ami) ;;
  *) usage >&2; die "no such verb: $verb." ;;
esac

if [[ -n "${SANDBOX_VENV:-}" ]]; then
  venv="$SANDBOX_VENV"
elif [[ -w "$root" || -x "$root/.venv/bin/python" ]]; then
  venv="$root/.venv"
else
  [[ -n "${HOME:-}" && "${HOME%/}" ]] || [[ -n "${XDG_DATA_HOME:-}" ]] ||
    die "there is no folder for the environment: $root cannot be written, HOME=${HOME:-}." \
      "Name a folder of yours in SANDBOX_VENV."
  venv="${XDG_DATA_HOME:-$HOME/.local/share}/bigdl-sandbox/$(printf '%s' "$root" | digest | cut -c1-12)"
fi
case "$venv" in /*) ;; *) venv="$PWD/$venv" ;; esac
quiet=1
if [[ -t 2 ]]; then quiet=""; fi

if [[ "$verb" == setup ]]; then
  for argument in ${arguments[@]+"${arguments[@]}"}; do
    case "$argument" in
      --help | -h)
        usage_of_setup
        exit 0
        ;;
      *) die "setup takes no $argument." "See: $0 setup --help" ;;
    esac
  done
fi

if ! is_ready; then set_up; fi
if [[ "$verb" == setup ]]; then exit 0; fi

if [[ -n "$offline" ]]; then export SANDBOX_OFFLINE=1; fi
export PATH="$venv/bin:$PATH"
if [[ -d "$venv/lib/openmp" ]]; then
  export LD_LIBRARY_PATH="$venv/lib/openmp${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
unset PYTHONHOME
export PYTHONPATH="$root:$root/sandbox/compat${PYTHONPATH:+:$PYTHONPATH}" # kernels and Spark's processes: this checkout's code
exec "$venv/bin/python" -P -m sandbox.cli "$verb" ${arguments[@]+"${arguments[@]}"}
