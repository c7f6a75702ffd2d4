#!/bin/sh
# From a clone to a trained, evaluated and plotted Walker2d-v5, by the README's commands alone.
#
#     sh tests/newcomer/newcomer.sh [AGENT_STEPS]
#
# Where debootstrap and root are there, it does so in a bare Debian with python3, make and git only. Otherwise it says
# what is missing and does the nearest thing: a fresh clone, an empty home folder, and no program but the system's.
# Without AGENT_STEPS, training is as long as the README's. The machine's name servers, hosts and certificates apply. PACKAGES
# names a folder of packages of the same Python version that are there already (site-packages), where downloading them
# again would take too long.
set -eu

steps=${1:-}
suite=${SUITE:-bookworm}
repository=$(cd "$(dirname "$0")/../.." && pwd)
place=$(mktemp -d)
trap 'umount "$place/bare/proc" 2> /dev/null || true; rm -rf --one-file-system "$place"' EXIT
trap 'exit 130' INT TERM

missing=""
command -v debootstrap > /dev/null || missing="debootstrap"
[ "$(id -u)" = 0 ] || missing="${missing:+$missing, }root"
if [ -z "$missing" ]; then
    bare=$place/bare
    debootstrap --variant=minbase --include=python3,make,git,ca-certificates "$suite" "$bare" > "$place/debootstrap.log" \
        || { tail -n 5 "$place/debootstrap.log" >&2; exit 1; }
    cp /etc/resolv.conf /etc/hosts "$bare/etc/"
    certificates=/etc/ssl/certs/ca-certificates.crt
    [ ! -f "$certificates" ] || cp "$certificates" "$bare$certificates"
    mount -t proc proc "$bare/proc" 2> /dev/null || echo "/proc cannot be mounted; going on without it"
    home=$bare/home/newcomer
    here() { chroot "$bare" /usr/bin/env -i HOME=/home/newcomer PATH=/usr/bin:/bin TERM=dumb sh -c "cd ~/clone && $1"; }
else
    echo "missing: $missing; going on in a fresh clone with an empty home folder and PATH=/usr/bin:/bin"
    home=$place/home
    here() { env -i HOME="$home" PATH=/usr/bin:/bin TERM=dumb sh -c "cd ~/clone && $1"; }
fi
mkdir -p "$home"
git clone --quiet "$repository" "$home/clone"

# A command of the README, with options after it that shorten it.
step() {
    grep -q "^$1\( \|$\)" "$home/clone/README.md" || { echo "FAILED: README.md does not name: $1" >&2; exit 1; }
    echo "== $1 ${2:-}"
    here "$1 ${2:-}"
}

if [ -z "$missing" ] && ! here "python3 -c 'import ensurepip'" 2> /dev/null; then
    if step "make train"; then echo "FAILED: make train without python3-venv" >&2; exit 1; fi
    [ ! -e "$home/clone/.venv" ] || { echo "FAILED: a half-made .venv is left" >&2; exit 1; }
    echo "== apt install python3-venv, as the README says"
    here "apt-get update -q && apt-get install -q -y python3-venv" > "$place/apt.log" 2>&1
fi

if [ -n "${PACKAGES:-}" ]; then
    echo "== with the packages of $PACKAGES"
    here "python3 -m venv .venv && echo '$PACKAGES' > \$(echo .venv/lib/python3*/site-packages)/packages.pth"
fi

step "make train" "${steps:+ARGS='--max-steps $steps'}"
step "make evaluate" "ARGS='--episodes 3'"
run=$(ls -td "$home"/clone/runs/*/ | head -n 1)
for file in configuration.yaml Walker2d-v5.onnx Walker2d-v5/reward.png Walker2d-v5/losses.png Walker2d-v5/progress.csv \
    Walker2d-v5/checkpoint.pt run_logs/command.txt run_logs/system.json; do
    [ -s "$run$file" ] || { echo "FAILED: $run$file is missing" >&2; exit 1; }
done
grep -q "^make tensorboard" "$home/clone/README.md"
echo "== make tensorboard"
here "timeout 60 make tensorboard ARGS='--port 0'" > "$place/tensorboard.log" 2>&1 &
waits=0
until grep -q "http://" "$place/tensorboard.log"; do
    waits=$((waits + 1))
    [ "$waits" -le 60 ] || { tail -n 5 "$place/tensorboard.log" >&2; echo "FAILED: no TensorBoard" >&2; exit 1; }
    sleep 1
done
echo "== done: trained, evaluated and plotted"
wait || true
