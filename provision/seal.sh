#!/bin/sh
# Take everything out of a machine that must not be in an image of it: keys, secrets, identities,
# histories, logs, caches. The last step of a build.
#   seal.sh [--zero] [ROOT]     --zero: also write zeros over the free space, so that it packs well
#   seal.sh --check [ROOT]      only look; names every leftover and ends with 1 if there is one
set -eu

mode=clean zero=""
case "${1:-}" in
  --check) mode=check; shift ;;
  --zero) zero=1; shift ;;
esac
root="${1:-}"

# What goes altogether; patterns below $root.
gone='
etc/ssh/ssh_host_*
etc/bigdl-sandbox/jupyter.env*
etc/issue.d/20-first-login.issue etc/sudoers.d/bigdl-sandbox etc/sudoers.d/90-cloud-init-users
root/.ssh/authorized_keys* home/*/.ssh/authorized_keys*
root/.ssh/id_* home/*/.ssh/id_* root/.ssh/known_hosts* home/*/.ssh/known_hosts*
root/.*_history home/*/.*_history root/.python_history root/.lesshst home/*/.lesshst
root/.viminfo home/*/.viminfo root/.wget-hsts home/*/.wget-hsts
root/.aws home/*/.aws root/.docker home/*/.docker root/.netrc home/*/.netrc
root/.git-credentials home/*/.git-credentials etc/shadow- etc/gshadow-
root/.cache/* home/*/.cache/* home/*/.local/share/jupyter/runtime/* home/*/.ipython/profile_default/history*
home/*/.jupyter/*secret* home/*/.local/share/jupyter/*secret*
var/lib/dbus/machine-id var/lib/systemd/random-seed var/lib/systemd/credential.secret
var/lib/dhcp/*.lease* var/lib/NetworkManager/*lease* var/lib/cloud/instance* var/lib/cloud/data/*
var/lib/apt/lists/* var/cache/apt/*.bin var/cache/apt/archives/*.deb
var/log/apt/* var/log/journal/* var/log/*.gz var/log/*.[0-9] var/crash/*
usr/local/share/ca-certificates/*
tmp/* tmp/.[!.]* var/tmp/* run/sshd.pid
'
# What stays as an empty file.
empty='etc/machine-id var/log/*log var/log/wtmp var/log/btmp var/log/lastlog var/log/cloud-init*'

left() { printf 'left: %s\n' "${1#"$root"/}"; found=1; }

found=0
for pattern in $gone; do
  for path in "$root"/$pattern; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    if [ "$mode" = check ]; then left "$path"; else rm -rf "$path"; fi
  done
done
for pattern in $empty; do
  for path in "$root"/$pattern; do
    [ -f "$path" ] || continue
    if [ "$mode" = clean ]; then : >"$path"; elif [ -s "$path" ]; then left "$path"; fi
  done
done

# Nobody comes in with a password that somebody else knows.
shadow="$root/etc/shadow"
if [ -f "$shadow" ]; then
  if [ "$mode" = clean ]; then
    # Fields: name, password, ...; `!` locks, `*` never had one.
    sed -i -E 's/^([^:]+):[^:!*][^:]*:/\1:!:/; s/^([^:]+)::/\1:!:/' "$shadow"
  elif grep -qE '^[^:]+:(:|[^:!*])' "$shadow"; then
    left "$shadow (a password)"
  fi
fi
# Certificate authorities of the place where it was built.
if [ "$mode" = clean ] && [ -z "$root" ] && command -v update-ca-certificates >/dev/null; then
  update-ca-certificates --fresh >/dev/null 2>&1 || true
fi
if [ "$mode" = clean ] && [ -z "$root" ] && command -v cloud-init >/dev/null; then
  cloud-init clean --logs >/dev/null 2>&1 || true
fi
if [ -n "$zero" ]; then
  dd if=/dev/zero of="$root/zero" bs=1M 2>/dev/null || true
  rm -f "$root/zero"
fi
sync
exit "$found"
