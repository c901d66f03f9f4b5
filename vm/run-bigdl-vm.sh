#!/usr/bin/env bash
# Start the sandbox's virtual machine with its ports forwarded to 127.0.0.1 of this computer:
#   run-bigdl-vm.sh [OPTIONS] bigdl-sandbox.ova      VirtualBox; imported the first time
#   run-bigdl-vm.sh [OPTIONS] bigdl-sandbox.qcow2    qemu; in the foreground
#   --port N        JupyterLab (8888)        --ssh-port N    SSH (2222)
#   --memory MB     (4096)                   --cpus N        (2)
#   --name NAME     of the machine in VirtualBox (bigdl-sandbox)
#   --headless      without its screen: for those who have brought a key for SSH (vm/README.md)
#   --key DISK      a disk with the label SANDBOX and a file authorized_keys (qemu)
#   --dry-run       print the commands only
# Linux, macOS, and Windows in Git Bash. Needs nothing else of the sandbox.
set -euo pipefail

port=8888 ssh_port=2222 memory=4096 cpus=2 name=bigdl-sandbox headless="" key="" dry="" disk=""

fail() { # problem, cure
  printf 'run-bigdl-vm.sh: %s\n  %s\n' "$1" "$2" >&2
  exit 2
}

number() { # option, value, least, most
  if ! [[ "$2" =~ ^[0-9]{1,6}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
    fail "$1 must be a number from $3 to $4; got '$2'." "Leave it out for the usual one."
  fi
}

while (($#)); do
  case "$1" in
    --headless) headless=1 ;;
    --dry-run) dry=1 ;;
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;;
    --port | --ssh-port | --memory | --cpus | --name | --key)
      (($# > 1)) || fail "$1 must have a value; got none." "run-bigdl-vm.sh --help"
      case "$1" in
        --port) port="$2"; number "$1" "$2" 1 65535 ;;
        --ssh-port) ssh_port="$2"; number "$1" "$2" 1 65535 ;;
        --memory) memory="$2"; number "$1" "$2" 1024 999999 ;;
        --cpus) cpus="$2"; number "$1" "$2" 1 256 ;;
        --name) name="$2" ;;
        --key) key="$2" ;;
      esac
      shift ;;
    -*) fail "$1 is no option." "run-bigdl-vm.sh --help" ;;
    *) disk="$1" ;;
  esac
  shift
done

[[ -n "$disk" ]] || fail "which machine?" "run-bigdl-vm.sh bigdl-sandbox.ova   or   bigdl-sandbox.qcow2"
[[ -r "$disk" ]] || fail "$disk is not there, or not readable." "sandbox vm build   makes it."
[[ "$disk" == *.ova || "$disk" == *.qcow2 ]] ||
  fail "$disk is neither .ova nor .qcow2." "sandbox vm build   makes both."
[[ -z "$key" || -r "$key" ]] || fail "$key is not there, or not readable." "vm/README.md tells how to make it."
for wanted in "$port" "$ssh_port"; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$wanted") 2>/dev/null; then
    fail "port $wanted is taken." "Give another one: --port, --ssh-port."
  fi
done

run() {
  if [[ -n "$dry" ]]; then printf '%q ' "$@" && echo; else "$@"; fi
}

tell() {
  cat <<TEXT
JupyterLab:  https://127.0.0.1:$port/lab   (some minutes after the start)
             The browser asks once about the certificate; the machine's screen shows its fingerprint.
Token:       log in on the machine's screen, then: sudo sandbox-url
SSH:         ssh -p $ssh_port jovyan@127.0.0.1   (with a key only)
TEXT
}

virtualbox() {
  command -v VBoxManage >/dev/null ||
    fail "VBoxManage is not here." "Install VirtualBox (Windows: add its folder to PATH), or start the .qcow2 by qemu."
  if VBoxManage list runningvms | grep -qF "\"$name\""; then
    fail "$name runs already." "Shut it down first, or give another --name for a second one."
  fi
  if ! VBoxManage showvminfo "$name" >/dev/null 2>&1; then
    run VBoxManage import "$disk" --vsys 0 --vmname "$name"
  fi
  run VBoxManage modifyvm "$name" --memory "$memory" --cpus "$cpus"
  for rule in "jupyter,tcp,127.0.0.1,$port,,8888" "ssh,tcp,127.0.0.1,$ssh_port,,22"; do
    if [[ -z "$dry" ]]; then # that of last time
      VBoxManage modifyvm "$name" --natpf1 delete "${rule%%,*}" >/dev/null 2>&1 || true
    fi
    run VBoxManage modifyvm "$name" --natpf1 "$rule"
  done
  run VBoxManage startvm "$name" --type "$([[ -n "$headless" ]] && echo headless || echo gui)"
  tell
}

by_qemu() {
  local words=(qemu-system-x86_64 -smp "$cpus" -m "$memory" -cpu max)
  command -v "${words[0]}" >/dev/null ||
    fail "qemu-system-x86_64 is not here." "Debian: sudo apt-get install qemu-system-x86   macOS: brew install qemu"
  if [[ -w /dev/kvm ]]; then
    words+=(-accel kvm)
  elif [[ "$(uname)" == Darwin ]]; then
    words+=(-accel hvf)
  fi
  words+=(-accel tcg -drive "file=${disk//,/,,},format=qcow2,if=virtio")
  if [[ -n "$key" ]]; then words+=(-drive "file=${key//,/,,},format=raw,if=virtio,readonly=on"); fi
  words+=(-nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$port-:8888,hostfwd=tcp:127.0.0.1:$ssh_port-:22")
  if [[ -n "$headless" ]]; then words+=(-display none); fi
  tell
  run exec "${words[@]}"
}

case "$disk" in
  *.ova) virtualbox ;;
  *.qcow2) by_qemu ;;
esac
