# SPDX-License-Identifier: Apache-2.0
# bash completion for millwright(1) and millwrightd(8). Verbs, options and which of them take a value
# come from the program's own --help, so that they cannot be out of date.

# _millwright_help PROGRAM [VERB]: the lines that name options; prose begins at column one.
_millwright_help() {
    "$@" --help 2>/dev/null | grep -E '^(usage:|[[:space:]])'
    [ "${2-}" != replay ] || "$@" --trace x --help 2>/dev/null | grep -E '^(usage:|[[:space:]])'
}

# _millwright_names PROGRAM COLUMN...: names under these headings of the running daemon's status.
_millwright_names() {
    local program=$1 column
    shift
    for column in "$@"; do
        "$program" status 2>/dev/null |
            awk -v column="$column" 'NF == 0 { on = 0 } on && /^[^ ]/ { print $1 } $1 == column { on = 1 }'
    done
}

# _millwright_takes_value HELP OPTION
_millwright_takes_value() {
    grep -qE -- "(^|[^a-z-])$2 [^] |)-]" <<<"$1"
}

# _millwright_value PROGRAM VERB OPTION: words for the option's value, or a failure: a file it is.
_millwright_value() {
    case $3 in
    --only) echo configuration models secrets certificates serial tcp clock disk database broker daemon engine versions ;;
    --user) compgen -u ;;
    --kind) echo holding input coil discrete ;;
    --parity) echo N E O ;;
    --baud) echo 1200 2400 4800 9600 19200 38400 57600 115200 $([ "$2" != init ] || echo auto) ;;
    --framing) echo mbap rtu ;;
    --rounding) echo double single ;;
    --kernel) echo auto reference ;;
    --reanchor) echo auto never ;;
    --level-guard) echo on off ;;
    --loop | --tls) echo yes no ;;
    --rtu | --bus) [ "$2" != simulate ] && compgen -G '/dev/serial/by-id/*' -G '/dev/rs485/*' -G '/dev/tty[SUA][SMC]*' ;;
    --timeout | --for | --duration | --max | --rows | --units | --seed | --speed | --window | --from | \
        --columns | --ignore | --context | --tcp | --variant | --machine | --profile | --point | --limits | \
        --gateway | --site | --broker | --user) ;;
    *) return 1 ;;
    esac
}

# _millwright_operands PROGRAM HELP VERB [SUB]: words for what is no option, or a failure.
_millwright_operands() {
    local program=$1 usage
    usage=$(grep -E '^usage:|^ +millwright ' <<<"$2" | grep -E " $3${4:+ $4}( |\$)")
    case "$3 ${4-} $usage" in
    "profile show "*) "$program" profile list 2>/dev/null | awk '{ print $1 }' ;;
    *" SUBJECT"*) _millwright_names "$program" MACHINE DEVICE ;;
    *" MACHINE"* | *"[MACHINE]"*) _millwright_names "$program" MACHINE ;;
    *" BUS "* | *" BUS|"*) _millwright_names "$program" BUS ;;
    *) return 1 ;;
    esac
}

_millwright() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]}
    local verb='' sub='' help words subs i
    if [ "${program##*/}" = millwrightd ]; then
        help=$(_millwright_help "$program")
    elif [ "$COMP_CWORD" -eq 1 ]; then
        words="--help --version $("$program" --help 2>/dev/null | awk '/^  [a-z]/ { print $1 }')"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
    else
        verb=${COMP_WORDS[1]}
        help=$(_millwright_help "$program" "$verb")
        subs=$(grep -oE "millwright $verb [a-z]+" <<<"$help" | awk '{ print $3 }')
        for ((i = 2; i < COMP_CWORD; i++)); do
            [ -z "$sub" ] && grep -qxF -- "${COMP_WORDS[i]}" <<<"$subs" && sub=${COMP_WORDS[i]}
        done
    fi
    if [[ $prev == --* ]] && _millwright_takes_value "$help" "$prev"; then
        case $prev in
        --profiles | --spool) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
        *)
            words=$(_millwright_value "$program" "$verb" "$prev")
            if [ $? -eq 0 ]; then
                mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi
            ;;
        esac
        return
    fi
    if [[ $cur == -* ]]; then
        words=$(grep -oE -- '(^|[^a-z-])--[a-z][a-z-]*' <<<"$help" | grep -oE -- '--.*' | sort -u)
        mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$cur")
    elif [ -n "$subs" ] && [ -z "$sub" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$subs" -- "$cur")
    else
        words=$(_millwright_operands "$program" "$help" "$verb" "$sub")
        if [ $? -eq 0 ]; then
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        fi
    fi
}
complete -o filenames -F _millwright millwright millwrightd
