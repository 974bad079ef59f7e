#!/usr/bin/env bats
# The documents say what the program does: `goproxyai help` and the tables in the code, the man page, the completions
# and the README are held against each other, each in both directions. Of the program only help runs, which
# 10-command.bats calls as well: that is enough with sanitizers.
# bats file_tags=unsanitized

load lib/vocabulary

setup() {
    cd "${abs_top_srcdir:-$top_src}"
    page=man/goproxyai.1
    scratch=$BATS_TEST_TMPDIR
}

# same WHAT FILE1 FILE2: the same sorted lines; else < stands only in the first, > only in the second
same() {
    LC_ALL=C sort -u "$2" >"$2.sorted"
    LC_ALL=C sort -u "$3" >"$3.sorted"
    [[ -s $2.sorted ]] || {
        echo "$1: nothing was found in $2"
        return 1
    }
    diff "$2.sorted" "$3.sorted" | grep '^[<>]' >"$scratch/differences" || return 0
    echo "$1: ${2##*/} (<) and ${3##*/} (>) differ"
    cat "$scratch/differences"
    return 1
}

# ---- what the program says ----

commands() {
    goproxyai help | sed -n -E 's/^  ([a-z]+) +[a-z].*/\1/p'
}

# options_of COMMAND: a line each, with the name of the value in lower case, as in "--port n"
options_of() {
    {
        goproxyai help "$1" | sed -n -E 's/^  (--[a-z0-9-]+)( ([A-Z]+))? +[A-Za-z].*/\1 \3/p'
        echo '--help' # every command takes it
    } | sed 's/ $//' | tr '[:upper:]' '[:lower:]' | LC_ALL=C sort -u
}

all_options() {
    local command
    for command in $(commands); do
        options_of "$command" | cut -d ' ' -f 1
    done
    # for the program itself
    ! goproxyai --version >/dev/null || echo --version
}

# "flag|plain variable|default" of each row in options.def
table() {
    { sed -z 's/\n */ /g; s/OPTION(/\nOPTION(/g' src/conf/options.def; echo; } |
        sed -n -E 's/^OPTION\(([A-Z0-9_]+), "([a-z0-9-]+)", (NULL|"([A-Z0-9_]+)"), [A-Z0-9_]+, "([^"]*)", .*/\2|\4|\5/p'
}

own_variable() {
    local name=${1//-/_}
    echo "GOPROXYAI_${name^^}"
}

# section NAME: its lines in the man page's source
section() {
    sed -n "/^\.Sh $1\$/,/^\.Sh /p" "$page" | sed '1d;$d'
}

@test "the table of settings is read whole by this test, and the help tells it" {
    [[ $(table | wc -l) -eq $(grep -c '^OPTION(' src/conf/options.def) ]]
    local flag plain default line
    while IFS='|' read -r flag plain default; do
        line=$(for command in $(commands); do goproxyai help "$command"; done | grep -E "^  --$flag " | sort -u)
        [[ $(wc -l <<<"$line") -eq 1 && -n $line ]]
        [[ -z $plain || $line == *"(\$$plain)" ]]
        [[ -z $default || $default == off || $line == *"[$default]"* ]]
    done < <(table)
}

# ---- the man page ----

@test "the man page renders without a warning" {
    need groff
    groff -ww -mandoc -Tutf8 "$page" >"$scratch/page" 2>"$scratch/warnings"
    [[ $(wc -l <"$scratch/page") -gt 100 ]]
    cat "$scratch/warnings"
    [[ ! -s $scratch/warnings ]]
}

@test "mandoc has nothing to say about the man page" {
    need mandoc
    mandoc -Tlint -Wwarning "$page" >"$scratch/lint" 2>&1 || true
    # its index of other pages need not be there
    grep -v 'mandoc\.db' "$scratch/lint" || return 0
    return 1
}

@test "the man page has its sections, in this order" {
    sed -n 's/^\.Sh //p' "$page" >"$scratch/sections"
    printf '%s\n' NAME SYNOPSIS DESCRIPTION COMMANDS OPTIONS HTTP HEADERS CACHE LIMITS SECURITY ENVIRONMENT FILES SIGNALS \
        'EXIT STATUS' EXAMPLES 'SEE ALSO' | diff - "$scratch/sections"
}

@test "the commands: those of help are those of the man page" {
    commands >"$scratch/help"
    section COMMANDS | sed -n -E 's/^\.It Ic ([a-z]+).*/\1/p' >"$scratch/commands"
    same commands "$scratch/help" "$scratch/commands"
    section SYNOPSIS | sed -n 's/^\.Cm //p' >"$scratch/synopsis"
    same synopsis "$scratch/help" "$scratch/synopsis"
    sed -n -E 's/^\$? ?goproxyai ([a-z]+).*/\1/p' <(section EXAMPLES) >"$scratch/examples"
    [[ -s $scratch/examples ]]
    not grep -vxFf "$scratch/help" "$scratch/examples"
}

# man_options COMMAND: the options of the subsections whose titles name it
man_options() {
    section OPTIONS | awk -v command="$1" '
        /^\.Ss / { here = / (of|and) / && (" " $0 " ") ~ (" " command " ") }
        here && /^\.It Fl / { sub(/^\.It Fl \\-/, "--"); sub(/ Ar /, " "); print }'
}

@test "the options of every command: those of help are those of the man page, with their values" {
    local command
    for command in $(commands); do
        options_of "$command" >"$scratch/help"
        # without a subsection there is only what all commands take
        { man_options "$command"; echo '--help'; } >"$scratch/man"
        same "options of $command" "$scratch/help" "$scratch/man"
    done
}

@test "every option that the man page mentions is one of the program's" {
    all_options >"$scratch/known"
    grep -oE '(Fl \\-|--|\\-\\-)[a-z][a-z0-9-]*' "$page" | sed -E 's/^(Fl \\-|\\-\\-)/--/' >"$scratch/mentioned"
    [[ -s $scratch/mentioned ]]
    not grep -vxFf "$scratch/known" "$scratch/mentioned"
}

@test "defaults and variables in the man page are those of options.def" {
    local flag plain default
    while IFS='|' read -r flag plain default; do
        echo "$flag|${default:+default Li $default}${default:-no default} ; Ev $(own_variable "$flag")${plain:+ , Ev $plain}"
    done < <(table) | sed -E 's/(default Li ([^ ]+))\2 ;/\1 ;/' >"$scratch/options.def"
    section OPTIONS | awk '
        /^\.It Fl / { flag = $3; sub(/^\\-/, "", flag) }
        /^\.Pq (no )?default/ { sub(/^\.Pq /, ""); print flag "|" $0 }' >"$scratch/man"
    same 'defaults and variables' "$scratch/options.def" "$scratch/man"
}

@test "the variables of the man page: all settings, all plain ones, and none that nobody reads" {
    local flag plain default
    {
        table | while IFS='|' read -r flag plain default; do
            own_variable "$flag"
            [[ -z $plain ]] || echo "$plain"
        done
        # what the code asks for beyond the table
        grep -hoE '(getenv|xdg_folder)\("[A-Za-z_]+"[,)]' -r src cmd --include='*.c' | grep -oE '[A-Z][A-Za-z_]+'
        grep -hoE '"[A-Za-z]+_(proxy|PROXY)"' src/upstream/endpoint.c | tr -d '"'
        printf '%s\n' NO_PROXY no_proxy # by libcurl
    } >"$scratch/code"
    section ENVIRONMENT | sed -n 's/^\.It Ev //p' >"$scratch/man"
    same variables "$scratch/code" "$scratch/man"
    printf '%s\n' OPENAI_BASE_URL >>"$scratch/code" # for clients
    grep -oE 'Ev [A-Za-z0-9_]+' "$page" | cut -c 4- >"$scratch/mentioned"
    not grep -vxFf "$scratch/code" "$scratch/mentioned"
}

@test "the error codes of err.def stand in the man page, with status and type, and no others" {
    sed -n -E 's/^ERR\([A-Z0-9_]+, ([0-9]+), "([a-z_]+)", "([a-z_]+)", [0-9]+\).*/\3 \1 \2/p' src/base/err.def >"$scratch/err.def"
    [[ $(wc -l <"$scratch/err.def") -eq $(grep -c '^ERR(' src/base/err.def) ]]
    section HTTP | sed -n -E 's/^\.It Li ([a-z_]+) Pq ([0-9]+) , ([a-z_]+)$/\1 \2 \3/p' >"$scratch/man"
    same errors "$scratch/err.def" "$scratch/man"
}

@test "the names in /health are those of the man page" {
    server
    proxy
    client "$PROXY/health" | grep -oE '"[a-z_]+":' | tr -d '":' >"$scratch/health"
    section HTTP | sed -n '/^\.It Pa \/health/,/^\.El/p' |
        grep -E '^\.(It )?Li (status|service|[a-z_.]+( ,)?$)' | grep -vE '^\.Li (status|state|healthy)$|openai-proxy' |
        sed -E 's/^\.(It )?Li //; s/ ,$//' | tr . '\n' >"$scratch/man"
    echo state >>"$scratch/man"
    section HTTP | grep -qx '\.Li state'
    same health "$scratch/health" "$scratch/man"
}

@test "the fields that the proxy adds to answers are those of the man page" {
    grep -rhoE '(_adds\(&?(req->)?reply(->|\.)own|add_time\(reply), "[A-Za-z-]+"|(->|\.)field = "[A-Za-z-]+"' src/client src/proxy --include='*.c' | grep -oE '[A-Z][A-Za-z-]+' |
        grep -vx Content-Type >"$scratch/code"
    section HEADERS | sed -n 's/^\.It Li //p' >"$scratch/man"
    same fields "$scratch/code" "$scratch/man"
}

# limit FILE NAME VALUE WORDS: the code's limit is VALUE still, which the man page has in WORDS
limit() {
    local value
    value=$(sed -n -E "s/^#define $2 +(.*[^ ]) *(\/\*.*)?\$/\1/p" "$1" | sed -E 's/ *\/\*.*//')
    [[ $value == "$3" ]] || {
        echo "$1: $2 is $value, no longer $3: say so in $page, and here"
        return 1
    }
    tr '\n' ' ' <"$page" | grep -qF -- "$4" || {
        echo "$page does not say '$4' any more, which is $2"
        return 1
    }
}

@test "the limits in the man page are those of the code" {
    limit src/base/framing.h FRAMING_HEAD_MAX 18432U 'at most 18 KiB'
    limit src/base/framing.h FRAMING_FIELDS_MAX 100U 'at most 100 fields'
    limit src/client/down.h DOWN_POOL_BYTES '((size_t)24 * 1024)' '24 KiB of memory'
    limit src/client/down_raw.c FIELD_RECORD_BYTES 80 'some 80 bytes'
    limit src/upstream/answer.c HEAD_MAX 65536 '64 KiB are taken'
    limit src/proxy/req_body.c RESEND_MAX '((int64_t)64 * 1024)' 'up to 64 KiB is read whole'
    limit src/proxy/req.h REQ_AHEAD_HIGH '((size_t)256 * 1024)' 'about 256 KiB ahead'
    limit src/proxy/req_steps.c SWALLOW_MAX '((int64_t)1024 * 1024)' 'read up to 1 MiB'
    limit src/client/conn.c BODY_WINDOW_BYTES 1024 'must bring 1 KiB'
    limit src/client/conn.h CONN_IDLE_MS 300000 '5 more minutes'
    limit src/proxy/worker.h LISTENERS_MAX 16 '16 at most'
    limit src/conf/conf_type.c WORKERS_MAX 64 'from 1 to 64'
    limit src/proxy/server_life.c WORKERS_AUTO_MAX 4 'at most 4'
    limit src/conf/conf_file.c CONFIG_MAX 65536 'at most 64 KiB'
    limit src/proxy/ask.h ASK_TIMEOUT_MS 5000 'waits 5 seconds at most'
    limit src/proxy/admin.c FIGURES_MS 1000 'one second old'
    limit src/api/sdk.c SDK_DEADLINE_MS '(INT64_C(600) * 1000)' '600 seconds'
    limit src/api/sdk.c MARGIN_MS 2000 '2 seconds more'
}

# ---- completions ----

# offers SHELL LINE: what the shell offers at the end of LINE, one a line
offers() {
    "offers_$1" "$2"
}

# A bash that has nothing but the file; words are cut as it cuts them, at blanks and '='.
offers_bash() {
    # shellcheck disable=SC2016
    env -i PATH="$PATH" bash --norc --noprofile -c '
        set -u
        source completions/goproxyai.bash
        complete -p goproxyai | grep -q -- "-F _goproxyai goproxyai" || exit 1
        line=${1//=/ = }
        read -r -a COMP_WORDS <<<"$line"
        [[ $line != *" " ]] || [[ $1 == *= ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        COMP_LINE=$1 COMP_POINT=${#1}
        _goproxyai goproxyai "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        ((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}

offers_fish() {
    # shellcheck disable=SC2016
    HOME=$scratch XDG_CONFIG_HOME=$scratch XDG_DATA_HOME=$scratch fish --no-config -c '
        source completions/goproxyai.fish
        complete -C $argv[1]' "$1" | cut -f 1
}

# start_zsh: an interactive zsh on a terminal of its own, for all of a test; its list of choices is read from there. A line
# written to $zsh_in is answered on $zsh_out, up to a line with a dot.
start_zsh() {
    cat >"$scratch/offers.zsh" <<'END'
zmodload zsh/zpty zsh/datetime zsh/zselect || exit 1
out=
zpty -b z 'TERM=dumb zsh -f -i'
# await PATTERN: until $out matches
await() {
    local chunk
    float end=$((EPOCHREALTIME + 20))
    until [[ $out == ${~1} ]]; do
        ((EPOCHREALTIME < end)) || { print -r -- "zsh says only: $out" >&2; exit 1 }
        if zpty -r -t z chunk; then out+=$chunk; else zselect -t 2; fi
    done
}
zpty -w z 'PS1= PS2= RPS1= PROMPT_EOL_MARK=; stty columns 200 rows 500 -echo; fpath=($PWD/completions $fpath)'
zpty -w z 'autoload -Uz compinit; compinit -u -D; LISTMAX=10000; unsetopt beep; bindkey ^T list-choices; zle -N finish'
zpty -w z 'finish() { zle -I; print -r -- the-$((40 + 2))-end; BUFFER= }; bindkey ^E finish; print -r -- at-$((40 + 2))'
await '*at-42*'
while IFS= read -r line; do
    out=
    zpty -w -n z "$line"$'\C-t\C-e'
    await '*the-42-end*'
    print -r -- "${out%%the-42-end*}"
    print .
done
zpty -d z
END
    mkfifo "$scratch/zsh.in" "$scratch/zsh.out"
    HOME=$scratch zsh -f "$scratch/offers.zsh" <"$scratch/zsh.in" >"$scratch/zsh.out" 3>&- 4>&- &
    exec {zsh_in}>"$scratch/zsh.in" {zsh_out}<"$scratch/zsh.out"
}

offers_zsh() {
    local line
    printf '%s\n' "$1" >&"$zsh_in"
    while IFS= read -r -u "$zsh_out" line && [[ $line != . ]]; do
        printf '%s\n' "$line"
    done | tr -d '\r' | sed -E 's/\x1b\[[?0-9;]*[a-zA-Z]//g' |
        grep -vF -- "${1% }" | sed -E 's/ +-- .*//' | tr -s ' ' '\n' | grep -v '^$' || true
}

# completes SHELL: it offers exactly what help names
completes() {
    local command flag value
    commands >"$scratch/help"
    offers "$1" 'goproxyai ' | grep -v '^-' >"$scratch/offered"
    same "$1: commands" "$scratch/help" "$scratch/offered"
    offers "$1" 'goproxyai help ' | grep -v '^-' >"$scratch/offered"
    same "$1: commands to be helped with" "$scratch/help" "$scratch/offered"
    for command in $(commands); do
        options_of "$command" | cut -d ' ' -f 1 >"$scratch/help"
        offers "$1" "goproxyai $command --" | sed 's/=$//' >"$scratch/offered"
        same "$1: options of $command" "$scratch/help" "$scratch/offered"
    done
    for flag in $(offers "$1" 'goproxyai --'); do
        goproxyai "$flag" >/dev/null
    done
    # an option with a value is followed by nothing that is an option or a command
    while read -r flag value; do
        offers "$1" "goproxyai serve $flag " >"$scratch/offered"
        not grep -E '^(--.*|serve|health|help|version)$' "$scratch/offered"
    done < <(options_of serve | grep ' ')
}

# suggests SHELL: values where there are sensible ones, and each one that it offers is taken
suggests() {
    local flag value
    offers "$1" 'goproxyai serve --proxy ' | grep -qx none
    offers "$1" 'goproxyai serve --listen ' | grep -qx localhost
    offers "$1" 'goproxyai health --listen ' | grep -qx localhost
    offers "$1" 'goproxyai serve --ca-file LIC' | grep -qx LICENSE
    while read -r flag value; do
        [[ $flag != --ca-file && $flag != --allow-host ]] || continue
        for value in $(offers "$1" "goproxyai serve $flag "); do
            [[ $value != *:// ]] || continue
            not goproxyai serve "$flag" "$value" --no-such-option 2>"$scratch/said"
            # it is the later one that is complained about
            grep -q -- 'no option --no-such-option' "$scratch/said" || {
                echo "$1 offers $flag $value: $(cat "$scratch/said")"
                return 1
            }
        done
    done < <(options_of serve | grep ' ')
}

# The text of a completion (stdin) names no option that the program does not have.
mentions_only_known() {
    all_options >"$scratch/known"
    grep -oE -- '(^|[^a-z0-9-])--[a-z][a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' >"$scratch/mentioned"
    [[ -s $scratch/mentioned ]]
    not grep -vxFf "$scratch/known" "$scratch/mentioned"
}

@test "bash: the completion is exactly what help names, with nothing but bash" {
    completes bash
    suggests bash
    mentions_only_known <completions/goproxyai.bash
}

@test "bash: values are completed after '=' as well, words by their beginning, files with blanks whole" {
    [[ $(offers bash 'goproxyai serve --proxy=') == none* ]]
    [[ $(offers bash 'goproxyai serve --proxy=n') == none ]]
    [[ $(offers bash 'goproxyai serve --dr') == --drain-timeout ]]
    [[ $(offers bash 'goproxyai he') == $'health\nhelp' ]]
    [[ $(offers bash 'goproxyai serve --port 80 --wor') == --workers ]]
    [[ -z $(offers bash 'goproxyai nosuch --') ]]
    cp -r completions "$scratch"
    cd "$scratch"
    touch 'a file.pem'
    [[ $(offers bash 'goproxyai serve --ca-file a') == 'a file.pem' ]]
}

@test "zsh: the completion has no fault of syntax and is exactly what help names" {
    need zsh
    zsh -n completions/_goproxyai
    head -n 1 completions/_goproxyai | grep -qx '#compdef goproxyai'
    start_zsh
    completes zsh
    mentions_only_known <completions/_goproxyai
}

@test "zsh: values" {
    need zsh
    start_zsh
    suggests zsh
}

@test "fish: the completion has no fault of syntax and is exactly what help names" {
    need fish
    fish --no-execute completions/goproxyai.fish
    completes fish
    suggests fish
    sed -n 's/ -l / --/p' <(grep '^complete ' completions/goproxyai.fish) | mentions_only_known
}

# ---- the README ----

# The README's code: blocks, and what stands between backquotes; a line each.
readme_code() {
    awk '
        /^ *```/ { block = !block; next }
        block || /^(    |\t)/ { print; next }
        { while (match($0, /`[^`]+`/)) { print substr($0, RSTART + 1, RLENGTH - 2); $0 = substr($0, RSTART + RLENGTH) } }
    ' README.md | sed -E 's/^[[:space:]]*(\$ )?//'
}

@test "the README begins with the two commands" {
    readme_code | sed -E 's/[[:space:]]*(#.*)?$//' | grep -F ./bootstrap | head -n 2 >"$scratch/readme"
    printf '%s\n' './bootstrap && ./goproxyai serve' './bootstrap --dev && make check' | diff - "$scratch/readme"
    head -n 20 README.md | grep -qF './bootstrap && ./goproxyai serve'
}

@test "options, commands and variables that the README names exist" {
    [[ -f README.md ]]
    readme_code | sed -n -E 's/^(\.\/)?goproxyai ([a-z]+)( .*)?$/\2/p' | grep -vx listens >"$scratch/commands" || true
    commands >"$scratch/known"
    not grep -vxFf "$scratch/known" "$scratch/commands"
    {
        all_options
        ./bootstrap --help | grep -oE -- '--[a-z][a-z0-9-]+'
        [[ ! -x configure ]] || ./configure --help | grep -oE -- '--[a-z][a-z0-9-]+'
        printf '%s\n' --prefix --enable-sanitizer --enable-werror
    } >"$scratch/known"
    readme_code | grep -vE '(^|[[:space:]])(curl|docker|podman|npm|git|apt-get|cmake) ' | grep -oE -- '(^|[^a-z0-9-])--[a-z][a-z0-9-]+' |
        grep -oE -- '--[a-z0-9-]+' >"$scratch/options" || true
    not grep -vxFf "$scratch/known" "$scratch/options"
    section ENVIRONMENT | sed -n 's/^\.It Ev //p' >"$scratch/known"
    grep -oE 'GOPROXYAI_[A-Z][A-Z0-9_]*' README.md | grep -vx GOPROXYAI_NAME >"$scratch/variables" || true
    not grep -vxFf "$scratch/known" "$scratch/variables"
}
