#!/usr/bin/env bash
# Installs the project with its tools into a virtual environment, and says how far it is: install.sh PYTHON VENV
# It uses uv where it is there. A step that takes long says so every INSTALL_TELL_S seconds, 10 by default.
set -euo pipefail
python=$1 venv=$2 uv=${UV:-uv} tell_s=${INSTALL_TELL_S:-10}
project=('-e' '.[all]' '--group' 'dev')
steps=3 step=0

say() { printf 'install: %s (%d s)\n' "$1" "$SECONDS"; }

run() { # run NAME COMMAND...
    local name=$1 pulse code=0
    shift
    step=$((step + 1))
    say "step $step of $steps, $name"
    (while sleep "$tell_s" >/dev/null 2>&1; do say "still at step $step of $steps"; done) &
    pulse=$!
    "$@" || code=$?
    kill "$pulse" 2>/dev/null || true
    wait "$pulse" 2>/dev/null || true
    if ((code)); then
        say "step $step of $steps FAILED, $name"
        exit "$code"
    fi
}

make_venv() { [[ -x $venv/bin/python ]] || "$python" -m venv "$venv"; }

with_pip() {
    "$venv/bin/python" -m pip install --progress-bar off "$@" | while IFS= read -r line; do
        case $line in
            *Downloading*) line=${line#"${line%%[![:space:]]*}"} && say "${line:0:100}" ;;
            Installing*) say 'putting them in place' ;;
        esac
    done
}

if [[ -n $(command -v "$uv" || true) ]]; then
    steps=2
    run "make $venv" "$uv" venv --quiet --allow-existing --python "$python" "$venv"
    run 'fleetfold, its extras and its tools' "$uv" pip install --python "$venv/bin/python" "${project[@]}"
else
    run "make $venv" make_venv
    run 'a pip that is new enough' with_pip --upgrade 'pip>=25.1'
    run 'fleetfold, its extras and its tools: about a minute' with_pip "${project[@]}"
fi
say 'done'
