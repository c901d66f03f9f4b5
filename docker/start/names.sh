# shellcheck shell=sh
# Sourced, by sh too: give a uid without an account, and a host without network (--network none),
# their names, for this process and its children. Java asks the system for both.
complete_names() {
  names="/tmp/names-$(id -u)"
  preload=""
  mkdir -p "$names" 2>/dev/null || return 0
  if ! getent passwd "$(id -u)" >/dev/null; then
    {
      grep -v '^jovyan:' /etc/passwd
      printf 'jovyan:x:%s:%s::%s:/bin/bash\n' "$(id -u)" "$(id -g)" "${HOME:-/home/jovyan}"
    } >"$names/passwd.$$"
    mv "$names/passwd.$$" "$names/passwd" # several may do this at once
    export NSS_WRAPPER_PASSWD="$names/passwd" NSS_WRAPPER_GROUP=/etc/group
    preload=libnss_wrapper.so
  fi
  if ! getent hosts "$(hostname)" >/dev/null; then
    printf '127.0.0.1 localhost %s\n' "$(hostname)" >"$names/hosts"
    export NSS_WRAPPER_HOSTS="$names/hosts"
    preload=libnss_wrapper.so
  fi
  if [ -n "$preload" ]; then
    export LD_PRELOAD="${LD_PRELOAD:+$LD_PRELOAD:}$preload"
  else
    rmdir "$names" 2>/dev/null || true
  fi
}
