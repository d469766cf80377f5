# SPDX-License-Identifier: Apache-2.0
# fish completion for millwright(1) and millwrightd(8). Verbs, options and which of them take a value
# come from the program's own --help, so that they cannot be out of date.

# The lines that name options; prose begins at column one.
function __millwright_help
    $argv --help 2>/dev/null | string match -r '^(?:usage:|\s).*'
    if test "$argv[2]" = replay
        $argv --trace x --help 2>/dev/null | string match -r '^(?:usage:|\s).*'
    end
end

# Names under these headings of the running daemon's status.
function __millwright_names --argument-names program
    for column in $argv[2..-1]
        $program status 2>/dev/null |
            awk -v column=$column 'NF == 0 { on = 0 } on && /^[^ ]/ { print $1 } $1 == column { on = 1 }'
    end
end

function __millwright_value --argument-names option
    switch $option
        case --only
            string split ' ' 'configuration models secrets certificates serial tcp clock disk database broker daemon engine versions'
        case --user
            __fish_complete_users
        case --kind
            string split ' ' 'holding input coil discrete'
        case --parity
            string split ' ' 'N E O'
        case --baud
            string split ' ' '1200 2400 4800 9600 19200 38400 57600 115200'
        case --framing
            string split ' ' 'mbap rtu'
        case --rounding
            string split ' ' 'double single'
        case --kernel
            string split ' ' 'auto reference'
        case --reanchor
            string split ' ' 'auto never'
        case --level-guard
            string split ' ' 'on off'
        case --loop --tls
            string split ' ' 'yes no'
        case --profiles --spool
            __fish_complete_directories (commandline -ct)
        case --timeout --for --duration --max --rows --units --seed --speed --window --from --columns \
                --ignore --context --tcp --variant --machine --profile --point --limits --gateway --site \
                --broker --user
        case '*'
            __fish_complete_path (commandline -ct)
    end
end

function __millwright_operands --argument-names program verb sub
    set -l words $verb $sub
    set -l usage (string match -r "^(?:usage:| +millwright ).* $words[1](?: .*|)\$" $argv[4..-1])
    if test "$verb $sub" = 'profile show'
        $program profile list 2>/dev/null | awk '{ print $1 }'
    else if string match -qr ' SUBJECT' -- "$usage"
        __millwright_names $program MACHINE DEVICE
    else if string match -qr ' \[?MACHINE' -- "$usage"
        __millwright_names $program MACHINE
    else if string match -qr ' BUS[ |]' -- "$usage"
        __millwright_names $program BUS
    else
        __fish_complete_path (commandline -ct)
    end
end

function __millwright
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -l verb ''
    set -l sub ''
    set -l subs
    set -l help
    if test (string replace -r ".*/" "" $program) = millwrightd
        set help (__millwright_help $program)
    else if test (count $words) -eq 1
        $program --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*) +(.*)' '$1\t$2'
        printf '%s\n' --help --version
        return
    else
        set verb $words[2]
        set help (__millwright_help $program $verb)
        set subs (string match -ar "millwright $verb [a-z]+" -- $help | string replace -r '.* ' '')
        for word in $words[3..-1]
            if test -z "$sub"; and contains -- $word $subs
                set sub $word
            end
        end
    end
    if string match -q -- '--*' $words[-1]; and string match -qr "(^|[^a-z-])$words[-1] [^\] |)-]" -- $help
        __millwright_value $words[-1]
    else if string match -q -- '-*' $current
        string match -ar '(?<![a-z-])--[a-z][a-z-]*' -- $help | sort -u
        echo --help
    else if test (count $subs) -gt 0; and test -z "$sub"
        printf '%s\n' $subs
    else
        __millwright_operands $program $verb "$sub" $help
    end
end

complete -c millwright -f -a '(__millwright)'
complete -c millwrightd -f -a '(__millwright)'
