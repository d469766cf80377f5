# Sourced by ./demo and ./test: installs the Debian packages that are missing, says which, and
# asks for sudo only then.

# need PACKAGE...
need() {
    missing=
    for package in "$@"; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$status" = "install ok installed" ] || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0

    echo "Installing Debian packages:$missing"
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "Neither root nor sudo: install these yourself, then run this again." >&2
            exit 77
        }
        sudo=sudo
    fi
    log=$(mktemp)
    # shellcheck disable=SC2086
    if ! { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        exit 1
    fi
    rm -f "$log"
}

BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libmodbus-dev libpaho-mqtt-dev
libsqlite3-dev libcyaml-dev libyaml-dev libsystemd-dev libjansson-dev libssl-dev libseccomp-dev"
RUN_PACKAGES="mosquitto mosquitto-clients python3"
TEST_PACKAGES="check e2fsprogs mount python3-jsonschema python3-pymodbus python3-serial-asyncio mbpoll socat openssl binutils mandoc zsh fish"
