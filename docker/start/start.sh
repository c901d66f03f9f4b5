#!/bin/bash
# First process of the container (under tini): settle who we are, run the hooks, hand over.
#
#   lab              JupyterLab (the default); further arguments go to it, and so do those which
#                    begin with - and no verb
#   run NOTEBOOK     execute a notebook; doctor, data, bench, reset: the other verbs of `sandbox`
#   anything else    is executed as it stands
#
# Started as root (docker run --user root), the account jovyan takes on NB_UID and NB_GID, or the
# owner of the mounted folder; CHOWN_HOME=yes and CHOWN_EXTRA=dir,dir change owners; then root is
# given up for good. Without root, any --user works as it is. NB_UMASK sets the umask.
# Hooks: /opt/sandbox/start-notebook.d (before the user is settled, as root if we are root) and
# /opt/sandbox/before-notebook.d (right before the command): *.sh are sourced, programs are run.
set -euo pipefail

home=/home/jovyan
work="$home/work"
root=/opt/sandbox

note() { printf 'sandbox: %s\n' "$*" >&2; }
fail() {
  note "$1"
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
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

become_user() {
  local uid="${NB_UID:-}" gid="${NB_GID:-}" extra options
  if [[ ! "$uid$gid" =~ ^[0-9]*$ ]]; then
    fail "NB_UID and NB_GID must be numbers; got '$uid' and '$gid'." "Try: -e NB_UID=\$(id -u)"
  fi
  if mountpoint -q "$work"; then # files that we make shall belong to whoever mounted the folder
    : "${uid:=$(stat -c %u "$work")}" "${gid:=$(stat -c %g "$work")}"
  fi
  : "${uid:=1000}" "${gid:=100}"
  if [[ "$uid" == 0 ]]; then uid=1000 gid=100; fi
  if ! setpriv --reuid="$uid" --regid="$gid" --clear-groups true 2>/dev/null; then
    fail "root may not become uid $uid here (are its capabilities dropped?)." \
      "Start with --user $uid:$gid instead of --user root."
  fi
  if [[ "${CHOWN_HOME:-}" =~ ^(1|yes)$ || "$uid" != 1000 || "$gid" != 100 ]]; then
    find "$home" -xdev -path "$work" -prune -o -print0 | xargs -0 -r chown -h "$uid:$gid"
    if ! mountpoint -q "$work"; then chown "$uid:$gid" "$work"; fi
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

# Java asks the system for the user's name and for this host's address. A uid without an account,
# and a host without network (--network none), get theirs for this container.
complete_names() {
  local folder preload=""
  folder=/tmp/names-$(id -u)
  mkdir -p "$folder"
  if ! getent passwd "$(id -u)" >/dev/null; then
    {
      awk -F: '$1 != "jovyan"' /etc/passwd
      printf 'jovyan:x:%s:%s::%s:/bin/bash\n' "$(id -u)" "$(id -g)" "$home"
    } >"$folder/passwd"
    cp /etc/group "$folder/group"
    export NSS_WRAPPER_PASSWD="$folder/passwd" NSS_WRAPPER_GROUP="$folder/group"
    preload=libnss_wrapper.so
  fi
  if ! getent hosts "$HOSTNAME" >/dev/null; then
    printf '127.0.0.1 localhost %s\n' "$HOSTNAME" >"$folder/hosts"
    export NSS_WRAPPER_HOSTS="$folder/hosts"
    preload=libnss_wrapper.so
  fi
  if [[ -n "$preload" ]]; then
    export LD_PRELOAD="${LD_PRELOAD:+$LD_PRELOAD:}$preload"
  else
    rmdir "$folder" 2>/dev/null || true
  fi
}

settle_home() {
  export HOME="$home" USER=jovyan LOGNAME=jovyan SANDBOX_HOME="$work"
  if [[ ! -w "$HOME" || ! -w "$HOME/.local" ]]; then
    HOME="/tmp/home-$(id -u)" # the same one after docker restart
    [[ -d "$HOME" ]] || mkdir -m 0700 "$HOME"
  fi
  if [[ ! -w "$work" ]]; then
    note "$work cannot be written by uid $(id -u); it belongs to uid $(stat -c %u "$work"). Notebooks are kept in $HOME and lost with the container."
    note "  cure: docker run --user \$(id -u):\$(id -g) ... (run-bigdl-docker.sh does that)"
    SANDBOX_HOME="$HOME"
  fi
  # What shows Jupyter's address to the health check; the secrets in it are this user's only.
  export JUPYTER_RUNTIME_DIR="${JUPYTER_RUNTIME_DIR:-/tmp/jupyter-runtime}"
  rm -rf "$JUPYTER_RUNTIME_DIR"
  mkdir -p "$JUPYTER_RUNTIME_DIR"
  chmod 0700 "$JUPYTER_RUNTIME_DIR"
  export MPLCONFIGDIR="${MPLCONFIGDIR:-$HOME/.cache/matplotlib}"
  if [[ -z "${SANDBOX_DATA:-}" && -d /data ]]; then export SANDBOX_DATA=/data; fi
}

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
complete_names
settle_home
# The lessons come into the work folder, newer versions too; what was edited stays.
places='from sandbox.cli.places import workplace; workplace(lambda text: print("sandbox:", text))'
if [[ "${1:-lab}" =~ ^(lab$|-) ]]; then
  python -c "$places" || note "the tutorials could not be copied into $SANDBOX_HOME."
fi
cd "$SANDBOX_HOME"
# shellcheck source=docker/start/certificates.sh
source "$root/bin/certificates.sh"
run_hooks "$root/before-notebook.d"

case "${1:-lab}" in
  lab | -*)
    if [[ "${1:-}" == lab ]]; then shift; fi
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
