# shellcheck shell=sh
# Login shells (SSH, the screen, `bash -l`): /etc/profile has set PATH anew. In the image and in the
# service the same values come from the Dockerfile and the unit.
export JAVA_HOME="${JAVA_HOME:-/opt/sandbox/java}"
export JUPYTER_CONFIG_PATH="${JUPYTER_CONFIG_PATH:-/opt/sandbox/etc/jupyter}"
if [ -w /home/jovyan/work ]; then export SANDBOX_HOME="${SANDBOX_HOME:-/home/jovyan/work}"; fi
if [ -n "${SANDBOX_HOME:-}" ]; then export PYTHONUSERBASE="${PYTHONUSERBASE:-$SANDBOX_HOME/.packages}"; fi
for place in /opt/sandbox/bin /opt/sandbox/venv/bin; do
  case ":$PATH:" in *":$place:"*) ;; *) PATH="$place:$PATH" ;; esac
done
for place in "$JAVA_HOME/bin" ${PYTHONUSERBASE:+"$PYTHONUSERBASE/bin"}; do
  case ":$PATH:" in *":$place:"*) ;; *) PATH="$PATH:$place" ;; esac
done
export PATH
unset place
