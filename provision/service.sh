#!/bin/sh
# Start the sandbox with the machine: systemd units, the first boot, logins without passwords.
#   service.sh vm|ami
# Works in a chroot or a container as well: then nothing is started. Safe to run again.
set -eu

kind="$1"
here="$(cd "$(dirname "$0")" && pwd)"
units=/etc/systemd/system

case "$kind" in
  vm) address=0.0.0.0 ;;   # reached through the hypervisor's network: HTTPS, and asks for the token
  ami) address=127.0.0.1 ;; # reached through SSH only
  *)
    echo "service.sh: vm or ami; got $kind" >&2
    exit 2
    ;;
esac

install -d -m 0755 /etc/bigdl-sandbox "$units/multi-user.target.wants" /etc/ssh/sshd_config.d /etc/issue.d
printf 'kind=%s\naddress=%s\n' "$kind" "$address" >/etc/bigdl-sandbox/machine
install -m 0644 "$here/files/bigdl-sandbox.service" "$here/files/bigdl-sandbox-first-boot.service" "$units/"
for unit in bigdl-sandbox bigdl-sandbox-first-boot; do
  ln -sfn "../$unit.service" "$units/multi-user.target.wants/$unit.service"
done
chmod 0755 /home/jovyan # SSH takes no keys out of a home that others may write
install -m 0644 "$here/files/sshd.conf" /etc/ssh/sshd_config.d/bigdl-sandbox.conf
install -m 0755 "$here/files/sandbox-url" /usr/local/bin/sandbox-url
install -m 0644 "$here/files/motd-$kind" /etc/motd
if [ "$kind" = vm ]; then
  install -m 0644 "$here/files/issue" /etc/issue.d/10-bigdl-sandbox.issue
  # Whoever sits at the machine's screen owns it; the password is made at the first boot.
  if command -v sudo >/dev/null; then usermod -aG sudo jovyan; fi
fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
