# bash completion of goproxyai. It needs bash alone: source it, or put it into
# ${XDG_DATA_HOME:-~/.local/share}/bash-completion/completions/goproxyai.
# tests/02-documents.bats holds it against the program.

_goproxyai_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# _goproxyai_value OPTION BEGINNING: the values that an option may have
_goproxyai_value() {
    case $1 in
    --listen) _goproxyai_words 'localhost 127.0.0.1 ::1' "$2" ;;
    --proxy) _goproxyai_words 'none http:// https:// socks5h://' "$2" ;;
    --upstream) _goproxyai_words 'https://api.openai.com' "$2" ;;
    --workers) _goproxyai_words 'auto 1 2 4' "$2" ;;
    --port) _goproxyai_words '8080 0' "$2" ;;
    --url) _goproxyai_words 'http://localhost:8080' "$2" ;;
    --request-timeout | --connect-timeout | --total-timeout | --client-timeout | --drain-timeout)
        _goproxyai_words '10s 30s 60s 5m 10m off' "$2"
        ;;
    --cache-ttl) _goproxyai_words '5m 1h 1d 7d forever 0' "$2" ;;
    --memory) _goproxyai_words 'auto 64M 256M 1G' "$2" ;;
    --allow-users) _goproxyai_words 'self all' "$2" ;;
    --allow-origin) _goproxyai_words 'http://localhost:3000' "$2" ;;
    --max-cache-size | --memory-cache | --max-body) _goproxyai_words '32M 64M 100M 512M 2G 0' "$2" ;;
    --on-disconnect) _goproxyai_words 'cancel finish' "$2" ;;
    --log-level) _goproxyai_words 'error warn info debug trace' "$2" ;;
    --key-ignore) _goproxyai_words 'user metadata user,metadata' "$2" ;;
    --cache-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$2")
        compopt -o filenames 2>/dev/null
        ;;
    --ca-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$2")
        compopt -o filenames 2>/dev/null
        ;;
    --older-than) _goproxyai_words '1h 1d 7d 30d' "$2" ;;
    --model) _goproxyai_words 'gpt-*' "$2" ;;
    --allow-host | --key-ignore-header) ;;
    *) return 1 ;;
    esac
    return 0
}

_goproxyai() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} option=
    COMPREPLY=()
    # "=" is a word of its own, as long as it stands in COMP_WORDBREAKS
    if [[ $before == = ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $current == = ]]; then
        option=$before current=
    elif [[ $before == --* && $current != --* ]]; then
        option=$before
    fi
    [[ -z $option ]] || ! _goproxyai_value "$option" "$current" || return 0
    if ((COMP_CWORD == 1)); then
        _goproxyai_words 'serve health stats cache version help --help --version' "$current"
        return 0
    fi
    case ${COMP_WORDS[1]} in
    serve)
        _goproxyai_words '--listen --port --allow-remote --allow-host --allow-origin --allow-users
            --upstream --proxy --ca-file --http2 --forwarded --request-timeout --connect-timeout --total-timeout --client-timeout
            --drain-timeout --cache-ttl --max-cache-size --memory-cache --memory
            --max-body --cache-dir
            --share-cache --key-ignore --key-ignore-header --on-disconnect --workers --log-level
            --help' "$current"
        ;;
    health) _goproxyai_words '--listen --port --url --json --help' "$current" ;;
    stats) _goproxyai_words '--listen --port --url --cache-dir --json --help' "$current" ;;
    cache)
        if ((COMP_CWORD == 2)) && [[ $current != -* ]]; then
            _goproxyai_words 'clear list show remove verify path' "$current"
        else
            _goproxyai_words '--listen --port --url --older-than --model --headers --json --cache-dir --help' "$current"
        fi
        ;;
    version) _goproxyai_words '--help' "$current" ;;
    help)
        if ((COMP_CWORD == 2)); then
            _goproxyai_words 'serve health stats cache version help --help' "$current"
        fi
        ;;
    esac
    return 0
}

complete -F _goproxyai goproxyai
