#!/bin/sh
# Take everything out of a machine that must not be in an image of it: keys, secrets, identities,
# histories, logs, caches, what lies in the homes. The last step of a build, and the one before a
# machine that was used is handed on.
#   seal.sh [--keep-work|--remove-work] [--zero] [--poweroff] [ROOT]
#     --zero       also write zeros over the free space: nothing deleted can be read, and it packs well
#     --poweroff   end at once, so that no shell writes its history; for a machine in use
#   seal.sh --check [--keep-work] [ROOT]    only look: names what is left and what is not known to
#                                           belong to the system; ends with 1 if there is any
#   seal.sh --list [ROOT]                   what there is, where --check looks for the unknown
# /etc/bigdl-sandbox/allowed: paths, one a line, that the owner has looked at and hands on.
# shellcheck disable=SC2329  # functions that are handed to functions
set -eu

mode=clean work="" zero="" off="" root=""
for word in "$@"; do
  case "$word" in
    --check | --list) mode="${word#--}" ;;
    --keep-work) work=keep ;;
    --remove-work) work=remove ;;
    --zero) zero=1 ;;
    --poweroff) off=1 ;;
    -*) echo "seal.sh: unknown option $word" >&2; exit 2 ;;
    *) root="${word%/}" ;;
  esac
done
cd "$root/"

# Where what is unknown may hide. What /usr holds else comes from packages.
list() {
  for place in etc srv opt usr/local mnt media var boot; do
    if [ -d "$place" ]; then find "$place" -xdev ! -type l; fi
  done
}
if [ "$mode" = list ]; then list; exit; fi

if [ ! -e etc/bigdl-sandbox/machine ]; then
  echo "seal.sh: ${root:-this} is no machine of the sandbox; nothing was touched" >&2
  exit 2
fi

# What user.sh makes in a home, beside the files of etc/skel. All else in homes goes.
folders='work .jupyter .local .cache .ipython .config'

# What goes altogether.
gone='
etc/ssh/ssh_host_* etc/bigdl-sandbox/jupyter.env* etc/bigdl-sandbox/tls.pem*
etc/issue.d/15-certificate.issue etc/issue.d/20-first-login.issue
etc/sudoers.d/bigdl-sandbox etc/sudoers.d/90-cloud-init-users etc/shadow- etc/gshadow-
etc/apt/auth.conf etc/apt/auth.conf.d/* etc/pip.conf etc/npmrc etc/krb5.keytab etc/wireguard/*
etc/NetworkManager/system-connections/* etc/wpa_supplicant/*.conf etc/ssl/private/*.key
usr/local/share/ca-certificates/* var/spool/cron/crontabs/* var/mail/* var/crash/*
var/lib/dbus/machine-id var/lib/systemd/random-seed var/lib/systemd/credential.secret
var/lib/dhcp/*.lease* var/lib/NetworkManager/*lease* var/lib/cloud/instance* var/lib/cloud/data/*
var/lib/systemd/coredump/* var/lib/apt/lists/* var/cache/apt/*.bin var/cache/apt/archives/*.deb
var/log/apt/* var/log/journal/* var/log/*.gz var/log/*.[0-9] var/log/*.old
tmp/* tmp/.[!.]* var/tmp/* var/tmp/.[!.]* run/sshd.pid
'

# What belongs to the system although no package lists it: ours, and what Debian itself writes.
ours='opt/sandbox|etc/bigdl-sandbox|etc/systemd/system/bigdl-sandbox(-first-boot)?\.service'
ours="$ours|etc/systemd/(network/20-dhcp\.network|resolved\.conf\.d(/bigdl-sandbox\.conf)?)"
ours="$ours|etc/systemd/system/[^/]*\.(wants|requires)|etc/issue\.d(/10-bigdl-sandbox\.issue)?"
ours="$ours|etc/ssh/sshd_config\.d/bigdl-sandbox\.conf|etc/profile\.d/sandbox\.sh|etc/motd"
ours="$ours|etc/cloud/cloud\.cfg\.d/90-bigdl-sandbox\.cfg|usr/local/bin/sandbox-url"
debian='etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|etc/(\.pwd\.lock|\.updated|adjtime|fstab)'
debian="$debian|etc/(hostname|hosts|machine-id|resolv\.conf|timezone|localtime|shells|ld\.so\.cache)"
debian="$debian|etc/(ssl/certs|alternatives|rc.\.d|python3|java[^/]*|ca-certificates\.conf)"
debian="$debian|etc/security/opasswd|boot/(initrd\.img-.*|lost\+found)|boot/grub(/grub\.cfg)?"
debian="$debian|var/(log|cache|tmp|\.updated)|usr/local/lib/python[0-9.]*"
debian="$debian|var/lib/(apt|dpkg|systemd|ucf|pam|cloud|dbus|private|python|logrotate|shells\.state)"
debian="$debian|var/lib/(initramfs-tools|ca-certificates[^/]*|sudo|polkit-1|dhcp)|var/spool/cron"

print() { printf '%s\n' "$1"; }
remove() { rm -rf -- "$1"; } # of a name whole, whatever is in it: people chose it
each() { # what to do, patterns: with every path of them that is there
  for path in $2; do
    if [ -e "$path" ] || [ -L "$path" ]; then "$1" "$path"; fi
  done
}
inside() { # what to do, a folder: with everything in it
  for path in "$2"/* "$2"/.[!.]* "$2"/..?*; do
    if [ -e "$path" ] || [ -L "$path" ]; then "$1" "$path"; fi
  done
}
in_homes() { # what to do: with everything in the homes that may not stay
  action="$1"
  for home in root home/*; do
    if [ -d "$home" ]; then inside judge "$home"; fi
  done
}
judge() {
  name="${1##*/}"
  case " $folders " in
    *" $name "*)
      if [ -L "$1" ] || [ ! -d "$1" ]; then
        "$action" "$1"
      elif [ "$name $work" != "work keep" ]; then
        (inside "$action" "$1")
      fi ;;
    *) # root's own two are of another package than etc/skel
      if [ -L "$1" ] || ! { cmp -s "$1" "etc/skel/$name" ||
        cmp -s "$1" "usr/share/base-files/dot$name"; }; then "$action" "$1"; fi ;;
  esac
}
unknown() { # what no package, not the system that was there before us, and no list above has
  { cat var/lib/dpkg/info/*.list 2>/dev/null | sed 's,^/,,'
    cat opt/sandbox/base.list 2>/dev/null || true
    echo '#allowed'
    sed 's,^/,,' etc/bigdl-sandbox/allowed 2>/dev/null || true
    each print "$gone" # no strangers: they go
    echo '#there'
    list
    echo '#changed'
    # Files whose content is not that of the build any more.
    if [ -e opt/sandbox/manifest.json ]; then
      find etc -xdev -type f -newer opt/sandbox/manifest.json
    fi
  } | awk -v fine="^($ours|$debian)(/|\$)" '
    /^#/ { part = $0; below = ""; next }
    part == "" { known[$0]; next }
    part == "#allowed" { if ($0 != "") allowed[$0]; next }
    below != "" && index($0, below "/") == 1 { next } # its folder was dealt with
    $0 in allowed { below = $0; next }
    $0 ~ fine || part == "#there" && $0 in known { next }
    { print; below = $0 }' | sort -u
}

if [ "$mode" = clean ]; then
  for place in home/*/work; do
    if [ -z "$work" ] && [ -d "$place" ] && [ -n "$(inside print "$place")" ]; then
      echo "seal.sh: /$place is not empty; say --keep-work or --remove-work. Nothing was touched" >&2
      exit 2
    fi
  done
  # Who hands a machine on can still decide about these; sealed, it lets nobody in any more.
  strangers="$(if [ -n "$off" ]; then unknown; fi)"
  if [ -n "$strangers" ]; then
    printf '%s\n' "$strangers" | sed 's/^/left: /'
    echo "seal.sh: remove these, or write them into /etc/bigdl-sandbox/allowed. Nothing was touched" >&2
    exit 1
  fi
  if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    # They would go on writing, into the home and into the logs.
    systemctl stop bigdl-sandbox 2>/dev/null || true
    journalctl --relinquish-var 2>/dev/null || true
  fi
  authorities="$(each print 'usr/local/share/ca-certificates/*')" # of the place where it was built
  each remove "$gone"
  in_homes remove
  for home in home/*; do
    if [ -d "$home" ] && [ -d etc/skel ]; then
      cp -R etc/skel/. "$home/"
      for path in etc/skel/.[!.]*; do
        if [ -e "$path" ]; then chown --reference="$home" "$home/${path##*/}"; fi
      done
    fi
  done
  for name in .bashrc .profile; do
    if [ -f "usr/share/base-files/dot$name" ]; then cp "usr/share/base-files/dot$name" "root/$name"; fi
  done
  if [ -z "$root" ]; then
    if [ -n "$authorities" ] && command -v update-ca-certificates >/dev/null; then
      update-ca-certificates --fresh >/dev/null 2>&1 || true # slow
    fi
    if command -v cloud-init >/dev/null; then cloud-init clean --logs >/dev/null 2>&1 || true; fi
  fi
  # Fields: name, password, ...; `!` locks, `*` never had one.
  if [ -f etc/shadow ]; then
    sed -i -E 's/^([^:]+):[^:!*][^:]*:/\1:!:/; s/^([^:]+)::/\1:!:/' etc/shadow
  fi
  : >etc/machine-id # made anew at the next boot
  if [ -d var/log ]; then find var/log -xdev -type f -exec truncate -s 0 {} +; fi
  if [ -n "$zero" ]; then
    dd if=/dev/zero of=zero bs=1M 2>/dev/null || true
    rm -f zero
  fi
fi

# Both ways end with a look: what could not be removed is told as well.
found=0
leftovers="$(
  each print "$gone"
  in_homes print
  if [ -d var/log ]; then find var/log -xdev -type f -size +0; fi
  if [ -s etc/machine-id ]; then echo etc/machine-id; fi
  # Nobody comes in with a password that somebody else knows.
  if [ -f etc/shadow ] && grep -qE '^[^:]+:(:|[^:!*])' etc/shadow; then echo 'etc/shadow (a password)'; fi
  if [ "$mode" = check ]; then unknown; fi
)"
if [ -n "$leftovers" ]; then
  found=1
  printf '%s\n' "$leftovers" | sed 's/^/left: /'
fi
sync
if [ -n "$off" ] && [ "$found" = 0 ]; then
  # At once: a shell that is told to end writes what was typed into its history.
  fsfreeze --freeze / # all is on the disk, and nothing more comes
  echo o >/proc/sysrq-trigger
  sleep 60
fi
exit "$found"
