#!/usr/bin/env bats
# The rules of the house, by looking at the sources: layers, doors, size and form of files, what Makefile.am and
# src/README.md say of them, and what the compiler was told to put into the program.
# bats file_tags=unsanitized

load lib/vocabulary

setup() {
    cd "${abs_top_srcdir:-$top_src}"
}

# none WHAT: its stdin is empty; else it is what breaks the rule WHAT
none() {
    local found
    found=$(cat)
    [[ -z $found ]] || {
        echo "$1:"
        echo "$found"
        return 1
    }
}

sources() {
    find src cmd -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' \) | LC_ALL=C sort
}

# The files that include a header whose name is the regular expression $1
includers() {
    sources | xargs grep -lE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($1)[>\"]" || true
}

# at_most N HEADER: includers of it, or too many
at_most() {
    local -a files
    mapfile -t files < <(includers "$2")
    ((${#files[@]} <= $1)) || {
        echo "$2 is included by ${#files[@]} files, at most $1 may: ${files[*]}"
        return 1
    }
}

# exactly_one HEADER
exactly_one() {
    at_most 1 "$1"
    [[ -n $(includers "$1") ]] || {
        echo "$1 is included by no file: this test's expression is wrong"
        return 1
    }
}

@test "there are sources to look at, and no folder that the layers do not know" {
    [[ $(sources | wc -l) -gt 30 ]]
    find src -mindepth 1 -maxdepth 1 -type d ! -name '.*' | sed 's#^src/##' | grep -vxE 'base|conf|api|cache|store|state|client|upstream|proxy' |
        none 'folders in src without a place in the layers'
}

@test "a file includes its own folder or those below it in the layers" {
    local folder may
    while read -r folder may; do
        find "src/$folder" -name '*.[ch]' -print0 |
            xargs -0 grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
            grep -vE "\"(config\.h|($may)/[^\"/]+)\"" | none "src/$folder may include only $may"
    done <<'END'
base base
conf base|conf
api base|api
cache base|api|cache
store base|api|cache|store
state base|state
client base|api|cache|client
upstream base|api|cache|upstream
proxy base|api|cache|store|state|client|upstream|conf|proxy
END
}

@test "nothing in src includes cmd, and no header is reached by a relative path" {
    sources | xargs grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"(cmd/|\.|cmd\.h)' |
        grep -v '^cmd/.*"cmd\.h"' | none 'includes of cmd, or by relative path'
}

@test "each library has one door" {
    exactly_one 'microhttpd\.h'
    at_most 2 'curl/.*'
    [[ -n $(includers 'curl/curl\.h') ]]
    exactly_one '(.*/)?cJSON\.h'
    exactly_one 'openssl/.*'
    at_most 1 'zlib\.h'
    # one for each database, cache.db and state.db
    at_most 2 'sqlite3\.h'
    local files
    files=$(includers 'microhttpd\.h|curl/.*|(.*/)?cJSON\.h|openssl/.*|zlib\.h|sqlite3\.h')
    grep -vE '^src/.*\.c$' <<<"$files" | none 'doors that are not .c files of src'
}

# The units (a path without its ending) that each unit includes: pairs, a line each
includes() {
    sources | xargs grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
        sed -nE 's/^([^:]*)\.(c|h|def):.*"([^"]*)\.(h|def)".*/\1 \3/p' |
        while read -r unit included; do
            [[ $included != */* ]] || included=src/$included
            [[ $included == */* ]] || included=cmd/$included
            [[ $unit == "$included" ]] || echo "$unit $included"
        done
}

@test "no files include each other, whatever the way round" {
    [[ $(includes | wc -l) -gt 300 ]]
    includes | tsort 2>&1 >/dev/null | none 'a circle of includes'
}

@test "half of the functions have at most 12 lines, nine in ten 25" {
    sources | grep '\.c$' | xargs awk '
        /^[a-z].*[^;]$/ && !/^(struct|union|enum|static const struct)[^(]*\{$/ { if (!begun) begun = FNR }
        /^$/ || /;$/ && !body { begun = 0 }
        /^\{$/ { body = begun }
        /^\}$/ && body { print FNR - body + 1; begun = body = 0 }' | sort -n >"$BATS_TEST_TMPDIR/lengths"
    local count
    count=$(wc -l <"$BATS_TEST_TMPDIR/lengths")
    [[ $count -gt 1000 ]]
    [[ $(sed -n "$((count / 2))p" "$BATS_TEST_TMPDIR/lengths") -le 12 ]]
    [[ $(sed -n "$((count * 9 / 10))p" "$BATS_TEST_TMPDIR/lengths") -le 25 ]]
}

@test "functions take at most five parameters, but for callbacks of libmicrohttpd" {
    sources | grep '\.c$' | xargs awk '
        /^[a-z].*\(/ { signature = "" }
        /^[a-z].*\(/ || (signature && /^ /) { signature = signature $0 }
        /;$/ { signature = "" }
        /^\{$/ && signature {
            list = signature
            sub(/^[^(]*\(/, "", list)
            sub(/\)[^)]*$/, "", list)
            while (gsub(/\([^()]*\)/, "", list)) { }
            seen++
            if (gsub(/,/, "", list) > 4 && signature !~ /MHD_/)
                print FILENAME ": " signature
            signature = ""
        }
        END { if (seen < 1000) print "only " seen " functions were seen" }' | none 'functions with more parameters'
}

@test "structs and unions have no typedef" {
    sources | xargs grep -nHE '\btypedef[[:space:]]+(const[[:space:]]+|volatile[[:space:]]+)*(struct|union)\b' |
        none 'typedefs'
}

@test "no file of src and cmd has more than 500 lines; the request machine, which is told in one file, 600" {
    sources | xargs wc -l | awk '$2 != "total" && $1 > ($2 ~ /proxy\/req_steps\.c$/ ? 600 : 500) { print $2 ": " $1 " lines" }' |
        none 'long files'
}

@test "every header and table begins with a comment that says what it is" {
    local file
    for file in $(sources | grep -E '\.(h|def)$'); do
        [[ $(head -c 3 "$file") == '/* ' ]] || echo "$file"
    done | none 'without a comment at the top'
}

@test "every header is guarded by the name of its path" {
    local file name
    for file in $(sources | grep '\.h$'); do
        name=${file#src/}
        name=${name//[^a-zA-Z0-9]/_}
        grep -qx "#ifndef ${name^^}" "$file" && grep -qx "#define ${name^^}" "$file" || echo "$file: ${name^^}"
    done | none 'without the guard'
}

@test "nothing is left to be done later" {
    sources | xargs grep -nHE '\b(TODO|FIXME|XXX|HACK)\b' | none 'TODO and the like'
}

@test "no function that writes without knowing how much room there is" {
    sources | xargs grep -nHE '(^|[^[:alnum:]_])(strcpy|stpcpy|strcat|v?sprintf|gets)[[:space:]]*\(' |
        none 'strcpy, strcat, sprintf, gets'
}

@test "library code neither prints nor exits" {
    find src -name '*.c' -print0 |
        xargs -0 grep -nHE '(^|[^[:alnum:]_])(printf|puts|putchar|perror|exit|_exit)[[:space:]]*\(' |
        none 'printf, exit and the like in src'
}

@test "Makefile.am lists every source file once, and no other" {
    local listed
    listed=$(sed 's/#.*//' Makefile.am | grep -oE '(^|[[:space:]])(src|cmd)/[A-Za-z0-9_./-]+\.(c|h|def)\b' | tr -d ' \t' |
        LC_ALL=C sort)
    [[ -n $listed ]]
    comm -13 <(uniq <<<"$listed") <(sources) | none 'not listed in Makefile.am'
    comm -23 <(uniq <<<"$listed") <(sources) | none 'listed in Makefile.am, but not there'
    # between the two targets, that is: tests may list one of them once more
    sed -n '/^libgoproxyai_a_SOURCES/,/[^\\]$/p; /^goproxyai_SOURCES/,/[^\\]$/p' Makefile.am | tr -s ' \t\\' '\n' |
        grep -E '^(src|cmd)/' | LC_ALL=C sort | uniq -d | none 'listed twice in Makefile.am'
}

@test "Makefile.am lists every file of tests, which the builds with sanitizers go by" {
    comm -3 <(grep -oE 'tests/[0-9][0-9]-[a-z-]+\.bats' Makefile.am | LC_ALL=C sort -u) <(ls tests/[0-9]*.bats | LC_ALL=C sort) |
        none 'tests that are not in both'
}

@test "src/README.md names every folder and file, and none that is not there" {
    [[ -f src/README.md ]] || skip "there is no src/README.md"
    local file stem
    find src -mindepth 1 -maxdepth 1 -type d ! -name '.*' | while read -r file; do
        grep -qE "(^|[^a-z_/])(src/)?${file#src/}/" src/README.md || echo "$file/"
    done | none 'folders that src/README.md does not name'
    for file in $(sources | grep '^src/'); do
        stem=${file##*/}
        grep -qE "(^|[^a-z_])${stem%.*}([^a-z_]|$)" src/README.md || echo "$file"
    done | none 'files that src/README.md does not name'
    # `up.c`, `upstream/attempt.c`, `src/upstream/attempt.c`, `cmd/serve.c`
    for file in $(grep -oE '[A-Za-z_/]*[a-z_]+\.(c|h|def)\b' src/README.md | LC_ALL=C sort -u); do
        sources | grep -qE "(^|/)${file//./\\.}$" || includers "(.*/)?${file//./\\.}" | grep -q . || echo "$file"
    done | none 'files that are named in src/README.md and not there'
}

# ---- what the compiler was told ----

@test "the program is position-independent, and all its relocations are read-only from the start" {
    ! sanitized || return 0 # such a build is not hardened
    need readelf
    readelf -hW "$goproxyai_bin" | grep -E 'Type:.*DYN'
    readelf -lW "$goproxyai_bin" | grep INTERP
    readelf -dW "$goproxyai_bin" | grep -E 'FLAGS_1.*PIE'
    readelf -dW "$goproxyai_bin" | grep -E 'BIND_NOW|FLAGS_1.*NOW'
    readelf -lW "$goproxyai_bin" | grep GNU_RELRO
    readelf -dW "$goproxyai_bin" | grep -E 'TEXTREL|RPATH|RUNPATH' | none 'text relocations or a library path'
}

@test "neither the stack nor anything that is writable is executable" {
    ! sanitized || return 0 # such a build is not hardened
    need readelf
    readelf -lW "$goproxyai_bin" | grep GNU_STACK
    readelf -lW "$goproxyai_bin" | grep -E '[[:space:]]RWE[[:space:]]' | none 'writable and executable'
}

@test "functions guard their stack, and the C library's check their bounds" {
    ! sanitized || return 0 # such a build is not hardened
    need readelf
    readelf -W --dyn-syms "$goproxyai_bin" >"$BATS_TEST_TMPDIR/symbols"
    grep -E '__stack_chk_fail' "$BATS_TEST_TMPDIR/symbols"
    # other C libraries check in their headers and leave no trace
    ! grep -q GLIBC_ "$BATS_TEST_TMPDIR/symbols" || grep -E '__(v?snprintf|f?printf|mem(cpy|set|move)|fread|read|recv)_chk' \
        "$BATS_TEST_TMPDIR/symbols"
}
