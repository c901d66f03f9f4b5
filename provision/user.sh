#!/bin/sh
# Make the account that runs Jupyter, and its folders. Needs root. Safe to run again.
#   user.sh NAME [UID]     without UID: the next free one
set -eu

name="$1"
uid="${2:-}"
home="/home/$name"

if ! id "$name" >/dev/null 2>&1; then
  useradd ${uid:+--uid "$uid"} --gid users --no-log-init --create-home --shell /bin/bash "$name"
fi
passwd --quiet --lock "$name"
# The group may write too: a container with another uid is given this group (--group-add users).
chmod 0775 "$home"
for folder in work .jupyter .local .cache .ipython .config; do
  install -d -o "$name" -g users -m 0775 "$home/$folder"
done
ln -sfn "$home/work" /work
