# shellcheck shell=sh
# Sourced by debian/try-*: packages in a booted container of their Debian. Needs root. MIRROR names another mirror.

[ "$(id -u)" -eq 0 ] || {
    echo "$0 starts a container: run it as root." >&2
    exit 77
}
. cmake/debian.sh
need mmdebstrap systemd-container

# container_make SUITE PACKAGE.deb ROOT [PACKAGE,...]: a system with what the package depends on and the packages
# named. The tree is kept in build/packages/chroots.
container_make() {
    depends=$(dpkg-deb -f "$2" Depends)
    include=systemd,systemd-sysv,udev${4:+,$4}
    key=$(echo "$depends $include" | cksum | cut -d ' ' -f 1)
    arch=$(dpkg-deb -f "$2" Architecture)
    chroots=$PWD/build/packages/chroots
    tarball=$chroots/$1-run-$arch-$key.tar
    mkdir -p "$chroots"
    if [ ! -s "$tarball" ]; then
        part=${tarball%.tar}.part.tar
        mmdebstrap --quiet --variant=apt --architectures="$arch" --include="$include" \
            --customize-hook="chroot \"\$1\" apt-get satisfy -y -qq --no-install-recommends '$depends'" \
            "$1" "$part" "deb ${MIRROR:-http://deb.debian.org/debian} $1 main"
        mv "$part" "$tarball"
    fi
    tar -C "$3" -xf "$tarball"
}

# container_run ROOT SECONDS COMMAND...: boots it and runs the command, whose output is shown; succeeds where it did.
container_run() {
    root=$1 seconds=$2
    shift 2
    cat >"$root/etc/systemd/system/trial.service" <<END
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=-$*
ExecStopPost=/bin/sh -c 'echo "\$EXIT_CODE \$EXIT_STATUS" >/status'
ExecStopPost=systemctl --no-block start poweroff.target
StandardOutput=append:/trial.log
StandardError=append:/trial.log
TimeoutStartSec=$seconds
END
    mkdir -p "$root/etc/systemd/system/default.target.wants"
    ln -s ../trial.service "$root/etc/systemd/system/default.target.wants/trial.service"
    ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
    timeout $((seconds + 120)) systemd-nspawn -q -D "$root" --register=no --keep-unit --private-network --boot \
        >"$root/console.log" 2>&1 </dev/null || true
    [ -s "$root/trial.log" ] || {
        echo "the container did not boot:" >&2
        tail -n 20 "$root/console.log" >&2
        return 1
    }
    cat "$root/trial.log"
    [ "$(cat "$root/status")" = "exited 0" ]
}
