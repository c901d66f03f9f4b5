#!/usr/bin/env bash
# Start the BigDL sandbox in a Docker container. Only Docker and bash are needed.
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
notebooks are kept. With a command: runs it in the container, e.g.  -- run 02   -- doctor   -- bash

  --port N       first port to try (8888); the next free one is taken
  --mount DIR    keep the notebooks in DIR instead of the current folder
  --data DIR     a folder with data sets, read-only in the container
  --memory SIZE  memory limit, e.g. 2g (also --mem)   --cpus N   processor limit, e.g. 2
  --name NAME    the container's name; JupyterLab's is bigdl-sandbox
  --token TOKEN  instead of a random one
  --lan          let other machines reach it; insists on a token
  --detach       print the address and return; stop it with: docker stop NAME
  --rm           with --detach: remove the container when it ends (without: always done)
  --offline      pull nothing, download nothing
  --dry-run      print the docker command and stop
  --help         this text
TEXT
}

say() { printf '%s\n' "$*" >&2; }

die() { # message, then lines of cure
  printf 'run-bigdl-docker: %s\n' "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 2
}

wrong() { die "$1" "$0 --help   lists the options."; }

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; } # so many bytes, in hexadecimal

image="${SANDBOX_IMAGE:-bigdl-sandbox:latest}"
named="" # did the user name an image?
port=8888 mount="$PWD" data="${SANDBOX_DATA:-}" mem="" cpus="" name=""
lan="" detach="" remove="" offline="" dry=""
token="${SANDBOX_TOKEN-$(random 24)}"
command=()

while (($#)); do
  case "$1" in
    --port | --mount | --data | --mem | --memory | --cpus | --name | --token)
      (($# > 1)) && [[ -n "$2" || "$1" == --token ]] || wrong "$1 needs a value."
      case "$1" in
        --port) port="$2" ;;
        --mount) mount="$2" ;;
        --data) data="$2" ;;
        --mem | --memory) mem="$2" ;;
        --cpus) cpus="$2" ;;
        --name) name="$2" ;;
        --token) token="$2" ;;
      esac
      shift 2
      ;;
    --*=*) # --port=9000 is --port 9000
      set -- "${1%%=*}" "${1#*=}" "${@:2}"
      ;;
    --lan) lan=1; shift ;;
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
    "install -d -o 1000 -g 100 ~/work && $0 --mount ~/work"
fi

if [[ "$mode" != d?w* ]] || { [[ -O "$mount" || "$EUID" == 0 ]] && [[ ! -w "$mount" ]]; }; then
  die "$mount cannot be written by its owner." "chmod u+w $mount   (or is its disk read-only?)"
fi

# --- the docker command --------------------------------------------------------------------------

address=127.0.0.1
if [[ -n "$lan" ]]; then address=0.0.0.0; fi
bind() { # folder, place, further words: an entry of --mount, whose form is that of a CSV file
  local quote='"'
  printf 'type=bind,"src=%s",dst=%s%s' "${1//$quote/$quote$quote}" "$2" "${3:-}"
}
mark="org.bigdl-sandbox.launch=$(random 8)" # tells what this launch has made
options=(--label org.bigdl-sandbox.role=lab --label "$mark"
  --user "$owner" --group-add users --cap-drop ALL --security-opt no-new-privileges
  --pids-limit 4096 --shm-size 1g
  --mount "$(bind "$mount" "$work")")
if [[ -n "$name" ]]; then options+=(--name "$name"); fi
if [[ -n "$mem" ]]; then options+=(--memory "$mem" --memory-swap "$mem"); fi
if [[ -n "$cpus" ]]; then options+=(--cpus "$cpus"); fi
if [[ -n "$data" ]]; then options+=(--mount "$(bind "$data" /data ,readonly)" -e SANDBOX_DATA=/data); fi
if [[ -n "$offline" ]]; then options+=(-e SANDBOX_OFFLINE=1); fi

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
    printf '%q ' docker run --rm -i "${options[@]}" "$image" "${command[@]}"
  else
    next_port
    tell_port
    printf '%q ' docker run --detach "${options[@]}" -e SANDBOX_TOKEN -p "$address:$port:8888" "$image"
  fi
  printf '\n'
  exit 0
fi

# --- Docker ----------------------------------------------------------------------------------------

command -v docker >/dev/null || die "Docker is not installed here." \
  "Debian, Ubuntu:   sudo apt-get install docker.io" \
  "macOS, Windows:   Docker Desktop, https://docs.docker.com/get-docker" \
  "Without Docker:   ./run-bigdl-native.sh"
if ! facts="$(docker info --format '{{.MemTotal}} {{.NCPU}}' 2>/dev/null)"; then
  case "$(docker info 2>&1 || true)" in
    *"ermission denied"*) die "this user may not speak to Docker." \
      "sudo usermod -aG docker \$USER, then log in again; or: sudo $0" ;;
    *) die "no Docker daemon answers${DOCKER_HOST:+ at DOCKER_HOST=$DOCKER_HOST}." \
      "Linux: sudo systemctl start docker" "macOS, Windows: start Docker Desktop" ;;
  esac
fi
total="${facts% *}" processors="${facts#* }"
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
if ! docker image inspect "$image" >/dev/null 2>&1; then
  if [[ -n "$offline" || "$image" != */* ]] || ! docker pull "$image" >&2; then
    die "there is no image $image here." \
      "From a clone:    ./run-bigdl-native.sh docker build" \
      "From a bundle:   docker load -i bigdl-sandbox.tar.gz"
  fi
fi
state=""
if [[ -n "$name" ]]; then
  state="$(docker inspect --type container --format '{{.State.Status}} {{index .Config.Labels "org.bigdl-sandbox.role"}}' "$name" 2>/dev/null || true)"
fi
case "$state" in
  "") ;;
  "exited lab" | "created lab" | "dead lab") docker rm "$name" >/dev/null ;; # one of ours that has ended
  *" lab") die "a sandbox called $name is there already (${state% *})." \
    "docker stop $name   ends it; or give another --name." ;;
  *) die "a container called $name is there already, and no sandbox." "Give another --name." ;;
esac

if ((${#command[@]})); then
  terminal=()
  if [[ -t 0 && -t 1 ]]; then terminal=(--tty); fi
  exec docker run --rm --interactive ${terminal[@]+"${terminal[@]}"} "${options[@]}" "$image" "${command[@]}"
fi

if [[ -n "$remove" && -n "$detach" ]]; then options+=(--rm); fi
export SANDBOX_TOKEN="$token"
options+=(-e SANDBOX_TOKEN)
if [[ -z "$token" ]]; then options+=(-e SANDBOX_INSECURE=1); fi # published on the loopback only

stop() { # takes away what this launch has made, and nothing else
  local box
  for box in $(docker ps --all --quiet --filter "label=$mark"); do
    docker stop --time 5 "$box"
    docker rm --force "$box"
  done >/dev/null 2>&1 || true
}
# Another Ctrl-C shall not cut this short.
trap 'trap "" INT TERM HUP; stop; exit 130' INT TERM HUP

begin() ( # in a process group of its own: Ctrl-C must not part us from a container half made
  set -m
  docker run --detach "${options[@]}" -p "$address:$port:8888" "$image" 2>&1 &
  wait $!
) 2>/dev/null # the shell's words on its job
until next_port && said="$(begin)"; do
  stop
  said="${said#*daemon: }"
  [[ "$said" == *"port is already allocated"* || "$said" == *"address already in use"* ]] ||
    die "Docker could not start it: ${said%%$'\n'*}"
  port=$((port + 1))
done
tell_port

# In a shell of its own: a connection that Docker resets must not end this one.
healthy() (
  line=""
  exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
  printf 'GET /api HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
  read -r -t 3 line <&3 || exit 1
  [[ "$line" == *" 200 "* ]]
)

started=$SECONDS
until healthy; do
  running="$(docker inspect --format '{{.State.Running}}' "$name" 2>/dev/null || echo gone)"
  if [[ "$running" != true ]] || ((SECONDS - started > 120)); then
    docker logs --tail 15 "$name" >&2 || true
    stop
    die "the sandbox did not start (its last lines are above)." \
      "Memory? Docker has $((total >> 20)) MB; 2 GB are needed."
  fi
  sleep 0.3
done

query=""
if [[ -n "$token" ]]; then query="?token=$token"; fi
say "" "JupyterLab:  http://127.0.0.1:$port/lab$query"
say "Notebooks:   $mount"
if [[ -n "$lan" ]]; then say "Others reach it under this machine's address in place of 127.0.0.1."; fi
if [[ -n "$detach" ]]; then
  say "Stop it:     docker stop $name"
  exit 0
fi
say "Stop it:     Ctrl-C"
docker logs --follow --since 0s "$name" 2>&1 &
wait $! || true # and not for the container itself: a signal is heard at once here
status="$(docker inspect --format '{{.State.ExitCode}}' "$name" 2>/dev/null || echo 0)"
stop
exit "$status"
