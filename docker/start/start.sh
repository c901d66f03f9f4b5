#!/bin/bash
# First process of the container (under tini): settle who we are, run the hooks, hand over.
#
#   lab              JupyterLab (the default); further arguments go to it, and so do those which
#                    begin with - and no verb
#   run NOTEBOOK     execute a notebook; doctor, data, bench, reset: the other verbs of `sandbox`
#   anything else    is executed as it stands
#
# The work is kept in /home/jovyan/work, where a folder is mounted, or in the one SANDBOX_HOME names.
# Started as root (docker run --user root), the account jovyan takes on NB_UID and NB_GID, or the
# owner of the mounted folder; CHOWN_HOME=yes and CHOWN_EXTRA=dir,dir change owners; then root is
# given up for good. Without root, any --user works as it is. NB_UMASK sets the umask.
# Under a rootless Docker or Podman the folder of whoever started it belongs to root in here; that
# root is an ordinary user outside, and stays.
# Hooks: /opt/sandbox/start-notebook.d (before the user is settled, as root if we are root) and
# /opt/sandbox/before-notebook.d (right before the command): *.sh are sourced, programs are run.
set -euo pipefail

home=/home/jovyan
usual="$home/work"
work="${SANDBOX_HOME:-$usual}"
root=/opt/sandbox
# shellcheck source=docker/start/names.sh
source "$root/bin/names.sh"

note() { printf 'sandbox: %s\n' "$*" >&2; }
hint() { printf '  %s\n' "$@" >&2; }
fail() {
  note "$1"
  shift
  if (($#)); then hint "$@"; fi
  exit 2
}

run_hooks() { # folder
  local hook
  [[ -d "$1" ]] || return 0
  for hook in "$1"/*; do
    if [[ "$hook" == *.sh ]]; then
      # shellcheck disable=SC1090
      source "$hook" || fail "the hook $hook failed with status $?."
    elif [[ -f "$hook" && -x "$hook" ]]; then
      "$hook" || fail "the hook $hook failed with status $?."
    fi
  done
}

# --- who we are ------------------------------------------------------------------------------------

is_rootless() { # root in here is somebody else outside
  local inside outside
  read -r inside outside _ </proc/self/uid_map
  [[ "$inside" != 0 || "$outside" != 0 ]]
}

become_user() {
  local uid="${NB_UID:-}" gid="${NB_GID:-}" extra options
  if [[ ! "$uid$gid" =~ ^[0-9]*$ ]]; then
    fail "NB_UID and NB_GID must be numbers; got '$uid' and '$gid'." "Try: -e NB_UID=\$(id -u)"
  fi
  if is_mounted "$work"; then # files that we make shall belong to whoever mounted the folder
    : "${uid:=$(stat -c %u "$work")}" "${gid:=$(stat -c %g "$work")}"
  fi
  : "${uid:=1000}" "${gid:=100}"
  if [[ "$uid" == 0 ]]; then
    if is_rootless; then return; fi
    uid=1000 gid=100
  fi
  if ! setpriv --reuid="$uid" --regid="$gid" --clear-groups true 2>/dev/null; then
    fail "root may not become uid $uid here (are its capabilities dropped?)." \
      "Start with --user $uid:$gid instead of --user root."
  fi
  if [[ "${CHOWN_HOME:-}" =~ ^(1|yes)$ || "$uid" != 1000 || "$gid" != 100 ]]; then
    find "$home" -xdev -path "$usual" -prune -o -print0 | xargs -0 -r chown -h "$uid:$gid"
    if ! is_mounted "$usual"; then chown "$uid:$gid" "$usual"; fi
  fi
  if [[ -n "${CHOWN_EXTRA:-}" ]]; then
    IFS=, read -r -a extra <<<"$CHOWN_EXTRA"
    read -r -a options <<<"${CHOWN_EXTRA_OPTS:-}"
    chown "${options[@]}" "$uid:$gid" "${extra[@]}" || fail "CHOWN_EXTRA=$CHOWN_EXTRA failed."
  fi
  unset NB_UID NB_GID CHOWN_HOME CHOWN_EXTRA CHOWN_EXTRA_OPTS
  export SANDBOX_HOOKS_DONE=1
  exec setpriv --reuid="$uid" --regid="$gid" --clear-groups --no-new-privs "$0" "$@"
}

settle_home() {
  export HOME="$home" USER=jovyan LOGNAME=jovyan
  if [[ ! -w "$HOME" || (-e "$HOME/.local" && ! -w "$HOME/.local") ]]; then
    HOME="/tmp/home-$(id -u)" # the same one after docker restart
    [[ -d "$HOME" ]] || mkdir -m 0700 "$HOME"
  fi
  export MPLCONFIGDIR="${MPLCONFIGDIR:-$HOME/.cache/matplotlib}"
  if [[ -z "${SANDBOX_DATA:-}" && -d /data ]]; then export SANDBOX_DATA=/data; fi
}

# --- where the work is kept ------------------------------------------------------------------------

# Is a folder on something mounted, which outlives this container?
is_mounted() {
  local place kind
  read -r kind place < <(findmnt --noheadings --output FSTYPE,TARGET --target "$1") || return 1
  [[ "$place" != / && "$kind" != tmpfs ]]
}

is_writable() {
  local probe
  probe="$(mktemp "$1/.sandbox-XXXXXX" 2>/dev/null)" && rm -f "$probe"
}

# Folders that somebody has mounted where nothing looks for them.
mounted_elsewhere() {
  findmnt --raw --noheadings --output TARGET,FSTYPE | while read -r place kind; do
    case "$place" in
      / | /dev* | /proc* | /sys* | /etc/* | /run* | /tmp* | /data | /data/* | "$root"/*) ;;
      *) if [[ "$kind" != tmpfs && -d "$place" ]]; then printf '%b\n' "$place"; fi ;;
    esac
  done
}

settle_work() { # does something write there without being asked?
  local elsewhere
  mkdir -p "$work" 2>/dev/null || true
  if [[ ! -d "$work" ]]; then fail "there is no folder SANDBOX_HOME=$work, and none can be made."; fi
  if is_mounted "$work"; then
    if ! is_writable "$work"; then
      note "$work cannot be written by uid $(id -u); it belongs to uid $(stat -c %u "$work")."
      if [[ ",$(findmnt --noheadings --output OPTIONS --target "$work")," == *,ro,* ]]; then
        hint "It is mounted read-only: leave out \`ro\`, or add -e SANDBOX_HOME=/tmp/work: what is done" \
          "there is lost with the container."
      elif is_rootless; then
        hint "This Docker or Podman is rootless: your folder belongs to root in here. Start it with" \
          "docker run --user root ...   or   podman run --userns keep-id --user \$(id -u):\$(id -g) ..."
      elif [[ "$work" == "$usual" ]] && ! mountpoint -q "$usual"; then
        hint "The folder is mounted at another place: Docker made $usual in it, for root." \
          "cure: docker run -v \"\$PWD:$usual\" ... (run-bigdl-docker.sh does that)"
      elif [[ "$(stat -c %u "$work")" == 0 ]]; then
        hint "Mount a folder of your own: Jupyter does not run as root. (Docker makes a folder that is" \
          "not there for root: make it first, or  sudo chown \$(id -u):\$(id -g) FOLDER .)"
      else
        hint "cure: docker run --user $(stat -c %u:%g "$work") ... (run-bigdl-docker.sh does that)"
      fi
      if [[ -n "$1" ]]; then exit 2; fi # rather than keep it where it gets lost
    fi
  else
    if ! is_writable "$work"; then
      work="$HOME/work"
      mkdir -p "$work"
    fi
    if [[ -n "$1" ]]; then
      note "no folder is mounted at $usual: notebooks are kept in this container, and lost with it."
      elsewhere="$(mounted_elsewhere)"
      if [[ -n "$elsewhere" ]]; then
        hint "cure: -v ...:$usual, or -e SANDBOX_HOME='${elsewhere%%$'\n'*}', which is mounted"
      else
        hint "cure: docker run -v \"\$PWD:$usual\" ... (run-bigdl-docker.sh does that)"
      fi
    fi
  fi
  export SANDBOX_HOME="$work"
}

# `pip install` puts a person's own packages beside the work, with which they are kept.
settle_packages() {
  export PYTHONUSERBASE="$SANDBOX_HOME/.packages"
  if [[ ":$PATH:" != *":$PYTHONUSERBASE/bin:"* ]]; then PATH="$PATH:$PYTHONUSERBASE/bin"; fi
  if [[ "$(id -u)" == 0 ]]; then export PIP_USER=1; fi # who could write the environment itself
}

# --- the files by which the health check finds the server --------------------------------------------

# Tells this process from one that had its number before.
identity() { printf '%s %s\n' "$1" "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20)"; }

settle_runtime() {
  local folder="${JUPYTER_RUNTIME_DIR:-/tmp/jupyter-runtime}" first
  export JUPYTER_RUNTIME_DIR="$folder"
  read -r first _ 2>/dev/null <"$folder/first" || first=""
  if [[ -n "$first" && "$(cat "$folder/first")" == "$(identity "$first")" ]] ||
    ! rm -rf "$folder" 2>/dev/null || ! mkdir -p "$folder" 2>/dev/null; then
    # docker exec ... start.sh: what runs in here already keeps its files.
    JUPYTER_RUNTIME_DIR="$(mktemp -d "$folder-XXXXXX")"
    return
  fi
  chmod 0700 "$folder" # secrets are in it
  identity $$ >"$folder/first"
}

# Whose kernel is killed for its memory reads only that it has died.
check_memory() {
  local limit
  limit="$(cat /sys/fs/cgroup/memory.max 2>/dev/null ||
    cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true)"
  if [[ "$limit" =~ ^[0-9]+$ ]] && ((limit < 3 << 29)); then
    note "this container may use $((limit >> 20)) MB of memory; lessons take 2 GB: docker run -m 3g"
  fi
}

# --- all of it -------------------------------------------------------------------------------------

if ! [[ -w /tmp ]]; then
  fail "/tmp cannot be written." "A read-only container needs: --read-only --tmpfs /tmp"
fi
if [[ -z "${SANDBOX_HOOKS_DONE:-}" ]]; then run_hooks "$root/start-notebook.d"; fi
if [[ "$(id -u)" == 0 ]]; then become_user "$@"; fi
unset SANDBOX_HOOKS_DONE
if [[ "${GRANT_SUDO:-}" =~ ^(1|yes)$ ]]; then
  note "GRANT_SUDO is not supported: there is no sudo in here. For root: docker exec --user root ..."
fi
if [[ -n "${NB_UID:-}${NB_GID:-}${CHOWN_HOME:-}${CHOWN_EXTRA:-}" ]]; then # root has unset them
  note "NB_UID, NB_GID and CHOWN_... have no effect: this container was not started with --user root."
fi
if [[ -n "${NB_UMASK:-}" ]]; then
  [[ "$NB_UMASK" =~ ^[0-7]{1,4}$ ]] || fail "NB_UMASK must be octal, such as 027; got '$NB_UMASK'."
  umask "$NB_UMASK"
fi
case "${1:-lab}" in
  --version | --help | --help-all | -h) keeps="" ;;
  lab | -* | reset | jupyterhub-singleuser) keeps=yes ;;
  *) keeps="" ;;
esac
settle_home
complete_names
settle_work "$keeps"
settle_packages
settle_runtime
# The lessons come into the work folder, newer versions too; what was edited stays.
places='from sandbox.cli import places
places.workplace(lambda text: print("sandbox:", text))
places.make_packages_folder()'
if [[ -n "$keeps" && "${1:-}" != reset ]]; then
  check_memory
  python -P -c "$places" || note "the tutorials could not be copied into $SANDBOX_HOME."
fi
cd "$SANDBOX_HOME"
# shellcheck source=docker/start/certificates.sh
source "$root/bin/certificates.sh"
run_hooks "$root/before-notebook.d"

case "${1:-lab}" in
  lab | -*)
    if [[ "${1:-}" == lab ]]; then shift; fi
    if [[ "$(id -u)" == 0 ]]; then set -- --ServerApp.allow_root=True "$@"; fi
    exec python -P -m sandbox.cli.server --no-browser --ServerApp.root_dir="$PWD" "$@"
    ;;
  run | doctor | bench | data | reset)
    : >"$JUPYTER_RUNTIME_DIR/no-server"
    exec sandbox "$@"
    ;;
  *)
    : >"$JUPYTER_RUNTIME_DIR/no-server"
    exec "$@"
    ;;
esac
