#!/bin/sh
# At every boot, before SSH and Jupyter: make what must differ from machine to machine, where it is
# missing. On a machine that has it all, nothing changes.
#   first-boot.sh [ROOT]     ROOT: another tree than / (for tests); disks are left alone then
set -eu

root="${1:-}"
etc="$root/etc/bigdl-sandbox"
umask 077

random() { # how many characters, of which
  LC_ALL=C tr -dc "$2" </dev/urandom | head -c "$1"
}

setting() { sed -n "s/^$1=//p" "$etc/machine"; }

# SSH's own identity.
for kind in ed25519 rsa; do
  key="$root/etc/ssh/ssh_host_${kind}_key"
  [ -s "$key" ] || ssh-keygen -q -t "$kind" -N '' -C "$kind" -f "$key"
done

# The certificate of a machine whose network others share: browsers ask about it once, and who doubts
# compares it with the screen.
certificate="$etc/tls.pem"
if [ "$(setting kind)" = vm ]; then
  "$(dirname "$0")/certificate.sh" "$certificate" sandbox
  mkdir -p "$root/etc/issue.d"
  openssl x509 -in "$certificate" -noout -fingerprint -sha256 | sed -E \
    -e 's/.*=(.{48})(.*)/The browser asks about its certificate once. SHA-256:\n  \1\n  \2\n/' \
    >"$root/etc/issue.d/15-certificate.issue"
  chmod 0644 "$root/etc/issue.d/15-certificate.issue"
fi

# Jupyter's secret: no characters that are mistaken for one another, since it is copied by hand from
# a machine's screen (99 bits; 158 where it is not).
if [ ! -s "$etc/jupyter.env" ]; then
  length=32
  if [ "$(setting kind)" = vm ]; then length=20; fi
  token="$(random "$length" abcdefghijkmnpqrstuvwxyz23456789)"
  {
    printf 'SANDBOX_ADDRESS=%s\nSANDBOX_TOKEN=%s\n' "$(setting address)" "$token"
    if [ -e "$certificate" ]; then echo SANDBOX_CERTIFICATE=/etc/bigdl-sandbox/tls.pem; fi
  } >"$etc/jupyter.env.new"
  mv "$etc/jupyter.env.new" "$etc/jupyter.env"
fi
chmod 0600 "$etc/jupyter.env"

if [ -n "$root" ]; then exit 0; fi
if [ -e "$certificate" ]; then chown jovyan:users "$certificate"; fi

# A larger disk than the image's: the last partition and its file system grow.
device="$(findmnt -no SOURCE /)"
disk="/dev/$(lsblk -no PKNAME "$device" 2>/dev/null || true)"
part="/sys/class/block/$(basename "$device")/partition" # not there where / is on LVM
if [ -b "$disk" ] && [ -r "$part" ] && command -v growpart >/dev/null; then
  if growpart "$disk" "$(cat "$part")" >/dev/null 2>&1; then resize2fs "$device" >/dev/null 2>&1 || true; fi
fi

if [ "$(setting kind)" != vm ]; then exit 0; fi

# Who brings a disk or stick with the label SANDBOX and a file authorized_keys owns the machine: the
# keys open SSH, and sudo asks for no password.
udevadm settle --timeout=10 2>/dev/null || true # a stick takes its time
if stick="$(blkid -L SANDBOX)"; then
  place="$(mktemp -d)"
  if mount -o ro,nosuid,nodev,noexec "$stick" "$place"; then
    if [ -s "$place/authorized_keys" ]; then
      install -d -m 0700 -o jovyan -g users /home/jovyan/.ssh
      install -m 0600 -o jovyan -g users "$place/authorized_keys" /home/jovyan/.ssh/authorized_keys
      echo 'jovyan ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/bigdl-sandbox
      chmod 0440 /etc/sudoers.d/bigdl-sandbox
    fi
    umount "$place"
  fi
  rmdir "$place"
fi

# Else there is a password for the screen only (SSH takes none). It is shown there until it is
# changed, which the first login insists on.
issue=/etc/issue.d/20-first-login.issue
entry="$(getent shadow jovyan)"
changed="$(printf '%s\n' "$entry" | cut -d: -f3)" # 0: made here, not yet changed
case "$entry" in
  'jovyan:!'*)
    if [ -e /etc/sudoers.d/bigdl-sandbox ]; then exit 0; fi
    # Letters that lie in the same place on QWERTY, QWERTZ and AZERTY: the screen knows the first only.
    word="$(random 12 bcdefghjknprstuvx)"
    printf 'jovyan:%s\n' "$word" | chpasswd
    passwd --quiet --expire jovyan
    printf 'First login here:  jovyan  /  %s   (once; it asks for a password of your own)\n\n' "$word" >"$issue"
    ;;
  *) if [ "$changed" != 0 ]; then rm -f "$issue"; fi ;;
esac
