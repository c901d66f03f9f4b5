#!/usr/bin/env bash
# Start the BigDL sandbox in a container. Only bash and Docker are needed, or Podman; either one with
# root or without. `sandbox docker run` is this script as well.
#
# Environment variables, all optional:
#   SANDBOX_IMAGE   the image; default: bigdl-sandbox:latest
#   SANDBOX_DATA    a folder with data sets, mounted read-only (same as --data)
#   SANDBOX_TOKEN   the token (same as --token, but not visible in the list of processes)
set -euo pipefail

work=/home/jovyan/work # where the sandboxes of 2018 and 2019 had it, too

usage() {
  cat <<'TEXT'
Usage: ./run-bigdl-docker.sh [OPTIONS] [IMAGE] [-- COMMAND [ARGUMENTS...]]

Without a command: JupyterLab on 127.0.0.1 with a random token; the current folder is where the
notebooks are kept. With a command: runs it there, e.g.  -- run 02   -- doctor   -- bash   ; what it
writes elsewhere is lost. Options of JupyterLab are no command:  -- --ServerApp.base_url=/a/

  --port N       first port to try (8888); the next free one is taken
  --mount DIR    keep the notebooks in DIR instead of the current folder
  --data DIR     a folder with data sets, read-only in the container
  --memory SIZE  memory limit, e.g. 2g (also --mem)   --cpus N   processor limit, e.g. 2
  --name NAME    the container's name; JupyterLab's is bigdl-sandbox
  --token TOKEN  instead of a random one
  --lan          let other machines reach it; insists on a token
  --https        encrypt, with a certificate of its own (browsers ask about it once)
  --env NAME[=VALUE]     a variable for the container (also -e), as often as needed
  --volume FROM:TO[:ro]  a further folder or volume (also -v), as often as needed
  --extra-ca FILE        an authority to trust inside, such as that of a proxy that opens TLS
  --detach       print the address and return; stop it with: docker stop NAME
  --rm           with --detach: remove the container when it ends (without: always done)
  --offline      pull nothing, download nothing
  --dry-run      print the docker command and stop
  --help         this text
TEXT
}

self="$0"
if [[ ! -x "$0" ]]; then self="bash $0"; fi # sticks may be mounted so that nothing on them runs

say() { printf '%s\n' "$@" >&2; }

die() { # message, then lines of cure
  printf 'run-bigdl-docker: %s\n' "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 2
}

wrong() { die "$1" "$self --help   lists the options."; }

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; } # so many bytes, in hexadecimal

image="${SANDBOX_IMAGE:-bigdl-sandbox:latest}"
named="" # did the user name an image?
port=8888 mount="$PWD" data="${SANDBOX_DATA:-}" mem="" cpus="" name=""
lan="" https="" authority="" detach="" remove="" offline="" dry=""
token="${SANDBOX_TOKEN-$(random 24)}"
command=() jupyter=() variables=() volumes=()

while (($#)); do
  case "$1" in
    --port | --mount | --data | --mem | --memory | --cpus | --name | --token | --extra-ca | \
      --env | -e | --volume | -v)
      (($# > 1)) && [[ -n "$2" || "$1" == --token ]] || wrong "$1 needs a value."
      case "$1" in
        --port) port="$2" ;;
        --mount) mount="$2" ;;
        --data) data="$2" ;;
        --mem | --memory) mem="$2" ;;
        --cpus) cpus="$2" ;;
        --name) name="$2" ;;
        --token) token="$2" ;;
        --extra-ca) authority="$2" ;;
        --env | -e) variables+=("$2") ;;
        --volume | -v) volumes+=("$2") ;;
      esac
      shift 2
      ;;
    --*=*) # --port=9000 is --port 9000
      set -- "${1%%=*}" "${1#*=}" "${@:2}"
      ;;
    --lan) lan=1; shift ;;
    --https) https=1; shift ;;
    --detach | -d) detach=1; shift ;;
    --rm) remove=1; shift ;;
    --offline) offline=1; shift ;;
    --dry-run) dry=1; shift ;;
    --help | -h) usage; exit 0 ;;
    --) shift; command=("$@"); break ;;
    -*) wrong "no such option: $1." ;;
    *)
      if [[ -z "$named" ]]; then # the first word is the image, as it was in 2017
        image="$1" named=1
        shift
        if (($#)) && [[ "$1" != -* ]]; then command=("$@"); break; fi
      else
        command=("$@")
        break
      fi
      ;;
  esac
done

# --- what was asked for ------------------------------------------------------------------------

[[ -n "$image" ]] || wrong "the image's name is empty."
if ! [[ "$port" =~ ^0*[0-9]{1,5}$ ]] || ((10#$port < 1 || 10#$port > 65535)); then
  wrong "--port must be 1 to 65535; got $port."
fi
port=$((10#$port))
[[ -z "$mem" || "$mem" =~ ^[0-9]+(\.[0-9]+)?[bkmgBKMG]?$ ]] || wrong "--memory must be a size such as 2g; got $mem."
[[ -z "$cpus" || "$cpus" =~ ^[0-9]+(\.[0-9]+)?$ ]] || wrong "--cpus must be a number; got $cpus."
case "${command[0]-}" in
  --version | --help | --help-all | -h | --generate-config) ;; # JupyterLab answers, and ends
  lab | -*)
    if [[ "${command[0]}" == lab ]]; then unset 'command[0]'; fi
    jupyter=(${command[@]+"${command[@]}"}) command=()
    ;;
  test | docker | vm | ami) # and not the program /usr/bin/test
    die "${command[0]} is a verb of run-bigdl-native.sh; the container has no such." \
      "Is all well in it?   $self -- doctor" ;;
esac
for word in ${jupyter[@]+"${jupyter[@]}"}; do
  case "${word%%=*}" in
    --port | --ip | --*.port | --*.ip | --*.token)
      wrong "port, address and token are given before the --, by --port, --lan and --token." ;;
  esac
done
if ((${#command[@]} == 0)); then name="${name:-bigdl-sandbox}"; fi # a command may run beside it
[[ -z "$name" || "$name" =~ ^[a-zA-Z0-9][a-zA-Z0-9_.-]+$ ]] ||
  wrong "--name must be two or more letters, digits and _ . -; got $name."
# The shell resolves ~ neither within quotes nor after --mount=; a name may begin with - as well.
absolute() {
  case "$1" in
    \~ | \~/*) printf '%s\n' "${HOME:-}${1#\~}" ;;
    /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$PWD/$1" ;;
  esac
}
mount="$(absolute "$mount")"
if [[ -n "$data" ]]; then data="$(absolute "$data")"; fi
[[ -d "$mount" ]] || die "--mount names $mount, which is no folder." "mkdir -p $(printf %q "$mount")"
[[ -z "$data" || -d "$data" ]] || die "$data is no folder with data sets." "Correct --data or SANDBOX_DATA."
for folder in "$mount" ${data:+"$data"}; do
  [[ -x "$folder" ]] || die "$folder cannot be entered." "Name a folder that you may enter."
done
mount="$(cd "$mount" && pwd -P)"
if [[ -n "$data" ]]; then data="$(cd "$data" && pwd -P)"; fi

if [[ -n "$authority" ]]; then
  authority="$(absolute "$authority")"
  grep -q "BEGIN CERTIFICATE" "$authority" 2>/dev/null ||
    die "$authority is no PEM certificate." "Give --extra-ca a .crt or .pem file."
fi
given=() # options as Docker writes them
for word in ${variables[@]+"${variables[@]}"}; do
  case "${word%%=*}" in
    SANDBOX_TOKEN | SANDBOX_DATA | SANDBOX_OFFLINE | SANDBOX_HTTPS | SANDBOX_EXTRA_CA | \
      SANDBOX_PORT | SANDBOX_ADDRESS)
      wrong "${word%%=*} is not for --env: there are options." ;;
    *[!A-Za-z0-9_]* | [0-9]* | "") wrong "--env must be like NAME=VALUE or NAME; got $word." ;;
  esac
  given+=(-e "$word")
done
for volume in ${volumes[@]+"${volumes[@]}"}; do
  [[ "$volume" == ?*:/?* ]] || wrong "--volume must be like FOLDER:/PLACE or FOLDER:/PLACE:ro; got $volume."
  from="${volume%%:*}"
  if [[ "$from" == */* || "$from" == [.~]* ]]; then # else the name of a volume of Docker's
    from="$(absolute "$from")"
    [[ -e "$from" ]] || die "--volume names $from, which is not there." "mkdir -p $(printf %q "$from")"
  fi
  given+=(--volume "$from:${volume#*:}")
done

if [[ -n "$lan" && -z "$token" ]]; then
  die "--lan insists on a token." "Leave --token out for a random one."
fi
[[ -z "$token" || "$token" =~ ^[A-Za-z0-9_.~-]{8,}$ ]] ||
  die "--token must be at least 8 letters, digits or _ . ~ -." "Leave it out for a random one."

# The container's user is the owner of the folder: what it makes there belongs to the same person.
facts="$(stat -c '%u:%g %A' "$mount" 2>/dev/null || stat -f '%u:%g %Sp' "$mount")"
owner="${facts% *}" mode="${facts#* }"
if [[ "$owner" == 0:* && "$(uname -s)" == Linux ]]; then
  die "$mount belongs to root, and the sandbox does not run as root." \
    "Start it from a folder of yours, or make one:" \
    "install -d -o 1000 -g 100 ~/work && $self --mount ~/work"
fi

if [[ "$mode" != d?w* ]] || { [[ -O "$mount" || "$EUID" == 0 ]] && [[ ! -w "$mount" ]]; }; then
  die "$mount cannot be written by its owner." "chmod u+w $mount   (or is its disk read-only?)"
fi

# --- the docker command --------------------------------------------------------------------------

engine=docker
if ! command -v docker >/dev/null && command -v podman >/dev/null; then engine=podman; fi
total="" processors="" security=""
ask_engine() { # what it has, and how it keeps containers apart; Podman may go by the name of docker
  local format
  for format in '{{.MemTotal}} {{.NCPU}} {{.SecurityOptions}}' '{{.Host.MemTotal}} {{.Host.CPUs}}
    rootless={{.Host.Security.Rootless}} selinux={{.Host.Security.SELinuxEnabled}}'; do
    read -r total processors security <<<"$("$engine" info --format "${format//[[:space:]]/ }" 2>/dev/null || true)"
    if [[ "$total" =~ ^[1-9][0-9]*$ ]]; then return; fi
  done
  total=""
}
if command -v "$engine" >/dev/null; then ask_engine; fi

address=127.0.0.1
if [[ -n "$lan" ]]; then address=0.0.0.0; fi
bind() { # place here, place inside, further words: an entry of --mount, which is a line of CSV
  local quote='"' from="src=$1"
  if [[ "$1" == *[,\"]* ]]; then from="\"src=${1//$quote/$quote$quote}\""; fi
  printf 'type=bind,%s,dst=%s%s' "$from" "$2" "${3:-}"
}
user="$owner" rootless=""
mark="org.bigdl-sandbox.launch=$(random 8)" # tells what this launch has made
options=(--label org.bigdl-sandbox.role=lab --label "$mark" ${name:+--name "$name"})
case "$security" in
  # Root inside is whoever runs Docker, and has no right beyond that person's.
  *name=rootless* | *rootless=true*) rootless=1 user=0:0 ;;
  *name=userns*) options+=(--userns host) ;; # else nobody's folder is its owner's inside
esac
case "$security" in
  *name=selinux* | *selinux=true*) options+=(--security-opt label=disable) ;;
esac
options+=(--user "$user" --group-add users --cap-drop ALL --security-opt no-new-privileges
  --pids-limit 4096 --shm-size 1g
  --mount "$(bind "$mount" "$work")")
if [[ -n "$mem" ]]; then options+=(--memory "$mem" --memory-swap "$mem"); fi
if [[ -n "$cpus" ]]; then options+=(--cpus "$cpus"); fi
if [[ -n "$data" ]]; then options+=(--mount "$(bind "$data" /data ,readonly)" -e SANDBOX_DATA=/data); fi
if [[ -n "$offline" ]]; then options+=(-e SANDBOX_OFFLINE=1); fi
if [[ -n "$authority" ]]; then
  inside=/etc/ssl/sandbox-extra-ca.crt
  options+=(--mount "$(bind "$authority" "$inside" ,readonly)" -e "SANDBOX_EXTRA_CA=$inside")
fi
options+=(${given[@]+"${given[@]}"})
if [[ -n "$https" ]]; then options+=(-e "SANDBOX_HTTPS=$(hostname 2>/dev/null || echo 1)"); fi

answers() { # does anything listen on this port of the loopback?
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

wanted=$port last=$((port + 99 < 65535 ? port + 99 : 65535))
next_port() { # from $port on
  while ((port <= last)) && answers "$port"; do port=$((port + 1)); done
  ((port <= last)) || die "no port from $wanted to $last is free." "Give another --port."
}
tell_port() { if ((port != wanted)); then say "Port $wanted is taken; using $port."; fi; }

if [[ -n "$dry" ]]; then
  if ((${#command[@]})); then
    printf '%q ' "$engine" run --rm -i "${options[@]}" "$image" "${command[@]}"
  else
    next_port
    tell_port
    printf '%q ' "$engine" run --detach "${options[@]}" -e SANDBOX_TOKEN -p "$address:$port:8888" \
      "$image" ${jupyter[@]+"${jupyter[@]}"}
  fi
  printf '\n'
  exit 0
fi

# --- Docker ----------------------------------------------------------------------------------------

command -v "$engine" >/dev/null || die "neither Docker nor Podman is installed here." \
  "Debian, Ubuntu:   sudo apt-get install docker.io" \
  "macOS, Windows:   Docker Desktop, https://docs.docker.com/get-docker" \
  "Without Docker:   ./run-bigdl-native.sh"
if [[ -z "$total" ]]; then
  case "$("$engine" info 2>&1 || true)" in
    *"ermission denied"*) die "this user may not speak to Docker." \
      "sudo usermod -aG docker \$USER, then log in again; or: sudo $self" ;;
    *) die "no Docker daemon answers${DOCKER_HOST:+ at DOCKER_HOST=$DOCKER_HOST}." \
      "Linux: sudo systemctl start docker" "macOS, Windows: start Docker Desktop" \
      "Its own words: $engine info" ;;
  esac
fi
if [[ -n "$mem" ]]; then
  case "$(awk -v m="$mem" -v total="$total" 'BEGIN { u = tolower(substr(m, length(m)))
    n = (m + 0) * (u == "g" ? 2^30 : u == "m" ? 2^20 : u == "k" ? 1024 : 1)
    print (n > total + 0 ? "more" : n < 2^29 ? "less" : "") }')" in
    more) die "--memory $mem is more than the $((total >> 20)) MB that Docker has." \
      "Ask for less; Docker Desktop: raise it in Settings, Resources." ;;
    less) die "--memory $mem is too little for Jupyter." "Give 2g or more." ;;
  esac
fi
if [[ -n "$cpus" ]]; then
  awk -v n="$cpus" -v total="$processors" 'BEGIN { exit !(0 < n + 0 && n + 0 <= total + 0) }' ||
    die "--cpus must be above 0 and at most $processors, which Docker has; got $cpus."
fi
if ! "$engine" image inspect "$image" >/dev/null 2>&1; then
  if [[ -n "$offline" || "$image" != */* ]] || ! "$engine" pull "$image" >&2; then
    place="$(cd "$(dirname "$0")" && pwd -P)"
    die "there is no image $image here." \
      "From a bundle:   $engine load -i $(printf %q "$place")/bigdl-sandbox.tar.gz" \
      "From a clone:    git -C $(printf %q "$place") archive HEAD | $engine build -f docker/Dockerfile -t bigdl-sandbox -"
  fi
fi

# Tells of what a person has put into a container beside the mounted folder, and would lose with it.
holds_work() { # container
  local found
  found="$("$engine" diff "$1" 2>/dev/null | grep -vx "A $work" |
    sed -n -E 's!^A (/home/jovyan/[^./][^/]*|/tmp/home-[0-9]+/[^./][^/]*)$!\1!p' || true)"
  [[ -n "$found" ]] || return 1
  say "Container $1 is kept for what is not in the mounted folder:" "$found" \
    "Fetch it:   $engine cp $1:${found%%$'\n'*} ." "Let it be lost:   $engine rm $1"
}
state=""
if [[ -n "$name" ]]; then
  state="$("$engine" inspect --type container --format '{{.State.Status}} {{index .Config.Labels "org.bigdl-sandbox.role"}}' "$name" 2>/dev/null || true)"
fi
case "$state" in
  "") ;;
  "exited lab" | "created lab" | "dead lab") # one of ours that has ended
    if holds_work "$name"; then exit 2; fi
    "$engine" rm "$name" >/dev/null
    ;;
  *" lab") die "a sandbox called $name is there already (${state% *})." \
    "$engine stop $name   ends it; or give another --name." ;;
  *) die "a container called $name is there already, and no sandbox." "Give another --name." ;;
esac

stop() { # takes away what this launch has made, and nothing else
  local box
  for box in $("$engine" ps --all --quiet --filter "label=$mark" 2>/dev/null); do
    "$engine" stop --time 5 "$box" >/dev/null 2>&1 || true
    holds_work "$box" || "$engine" rm --force "$box" >/dev/null 2>&1 || true
  done
}
# Another Ctrl-C shall not cut this short.
trap 'trap "" INT TERM HUP; stop; exit 130' INT TERM HUP

begin() ( # in a process group of its own: Ctrl-C must not part us from a container half made
  set -m
  "$engine" run "$@" 2>&1 &
  wait $!
) 2>/dev/null # the shell's words on its job

refused() { # in Docker's own words, after its warnings
  said="${said##*rror: }"
  said="${said#*daemon: }"
  die "Docker could not start it: ${said%%$'\n'*}"
}

# Where the user inside cannot write, nothing would be kept.
said="$(begin --rm "${options[@]}" --entrypoint test "$image" -w "$work" -a -x "$work")" || {
  status=$?
  stop
  ((status == 1)) || refused
  [[ -z "$rootless" ]] || die "$mount cannot be written inside the container; it belongs to uid ${owner%:*}." \
    "Docker without root ($engine) writes as you, uid $EUID: name a folder of yours, --mount DIR."
  die "$mount cannot be written inside the container, not even as its owner ($owner)." \
    "Is it shared with Docker (Docker Desktop: Settings, Resources)? On a network disk?" \
    "Name a folder on a disk of this machine: --mount DIR"
}

if ((${#command[@]})); then
  trap - INT TERM HUP
  terminal=()
  if [[ -t 0 && -t 1 ]]; then terminal=(--tty); fi
  exec "$engine" run --rm --interactive ${terminal[@]+"${terminal[@]}"} "${options[@]}" "$image" "${command[@]}"
fi

export SANDBOX_TOKEN="$token"
options+=(-e SANDBOX_TOKEN)
if [[ -n "$remove" && -n "$detach" ]]; then options+=(--rm); fi
if [[ -z "$token" ]]; then options+=(-e SANDBOX_INSECURE=1); fi # published on the loopback only

until next_port && said="$(begin --detach "${options[@]}" -p "$address:$port:8888" "$image" ${jupyter[@]+"${jupyter[@]}"})"; do
  stop
  [[ "$said" == *"port is already allocated"* || "$said" == *"address already in use"* ]] || refused
  port=$((port + 1))
done
tell_port

# The server's own file tells what it has made of all options; the image's check, whether it answers.
# shellcheck disable=SC2016  # for the shell inside
look='cat "${JUPYTER_RUNTIME_DIR:-/tmp/jupyter-runtime}"/jpserver-*.json &&
  python -B /opt/sandbox/bin/healthcheck.py >&2'
field() { sed -n -E "s!^ *\"$1\": \"?([^\",]*)\"?,?\$!\\1!p" <<<"$server" | head -n 1; }
server="" started=$SECONDS
until server="$("$engine" exec "$name" sh -c "$look" 2>/dev/null)" && [[ -n "$server" ]]; do
  running="$("$engine" inspect --format '{{.State.Running}}' "$name" 2>/dev/null || echo gone)"
  if [[ "$running" != true ]] || ((SECONDS - started > 120)); then
    "$engine" logs --tail 15 "$name" >&2 || true
    stop
    die "the sandbox did not start (its last lines are above)." \
      "Memory? Docker has $((total >> 20)) MB; 2 GB are needed."
  fi
  sleep 0.3
done

# --- what the person needs to know -----------------------------------------------------------------

notes="$("$engine" logs "$name" 2>&1 | # each with its cure, in the lines below it
  awk 'sub(/^sandbox: /, "") { note = 1; print; next } note && /^  / { print; next } { note = 0 }')"
if [[ -n "$notes" ]]; then say "" "$notes"; fi
if [[ "$notes" == *"shipped anew"* ]]; then say "(reset: in a terminal of JupyterLab, sandbox reset LESSON)"; fi
scheme=http query=""
if [[ "$(field secure)" == true ]]; then scheme=https; fi
if [[ -n "$token" && "$(field password)" != true ]]; then query="?token=$token"; fi
say "" "JupyterLab:  $scheme://127.0.0.1:$port$(field base_url)lab$query"
root="$(field root_dir)"
case "$root/" in
  "$work"/*) say "Notebooks:   $mount${root#"$work"}" ;;
  *) say "Notebooks:   $root in the container: lost with it, unless a --volume lies there" ;;
esac
if [[ -n "$lan" ]]; then
  say "Others reach it under this machine's address in place of 127.0.0.1."
  if [[ "$scheme" == http ]]; then
    say "Token and work travel in clear: who listens in on this network has both. --https encrypts."
  fi
fi
say "Its log:     $engine logs $name"
if [[ -n "$detach" ]]; then
  say "Stop it:     $engine stop $name"
  exit 0
fi
say "Stop it:     Ctrl-C"
"$engine" wait "$name" >/dev/null 2>&1 &
wait $! || true # and not in the foreground: a signal is heard at once here
status="$("$engine" inspect --format '{{.State.ExitCode}}' "$name" 2>/dev/null || echo 0)"
if [[ "$status" != 0 ]]; then "$engine" logs --tail 15 "$name" >&2 || true; fi
stop
exit "$status"
