# vocabulary.bash: the words in which the tests are written. `load lib/vocabulary`
# at the top of a .bats file brings them all; README.md beside it lists them.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the other files

vocabulary_dir=${BASH_SOURCE[0]%/*}
# Where the sources and where the programs are: not the same in a VPATH build.
top_src=$(cd "$vocabulary_dir/../.." && pwd)
top=${abs_top_builddir:-$top_src}
test_bin=${GOPROXYAI_TEST_BIN:-$top/tests}
goproxyai_bin=${GOPROXYAI:-$top/goproxyai}
# tests change the folder
[[ $test_bin == /* ]] || test_bin=$PWD/$test_bin
[[ $goproxyai_bin == /* ]] || goproxyai_bin=$PWD/$goproxyai_bin

# What the developer has set must not steer the tests; what a test exports does.
# bats reads a file once for each test, so this must not happen again.
if [[ -z ${VOCABULARY_CLEANED:-} ]]; then
    for vocabulary_name in "${!GOPROXYAI_@}" OPENAI_API_URL OPENAI_BASE_URL OPENAI_API_BASE OPENAI_API_KEY \
        PROXY_URL RATE_LIMIT CACHE_TTL MAX_CACHE_SIZE REQUEST_TIMEOUT PORT SSL_CERT_FILE NO_COLOR \
        XDG_RUNTIME_DIR http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY; do
        [[ $vocabulary_name == GOPROXYAI_TEST_BIN || $vocabulary_name == GOPROXYAI_SANITIZED ]] || unset "$vocabulary_name"
    done
    unset vocabulary_name
    export VOCABULARY_CLEANED=1
fi

# shellcheck source=tests/lib/process.bash
source "$vocabulary_dir/process.bash"
# shellcheck source=tests/lib/upstream.bash
source "$vocabulary_dir/upstream.bash"
# shellcheck source=tests/lib/proxy.bash
source "$vocabulary_dir/proxy.bash"
# shellcheck source=tests/lib/cache.bash
source "$vocabulary_dir/cache.bash"
# shellcheck source=tests/lib/daemons.bash
source "$vocabulary_dir/daemons.bash"

# A file with a teardown of its own calls vocabulary_teardown in it.
teardown() {
    vocabulary_teardown
}

vocabulary_teardown() {
    local bad=0 counters=
    if [[ -n ${UPSTREAM:-} && -z ${BATS_TEST_COMPLETED:-} ]]; then
        counters=$(curl -q -sS --max-time 2 --noproxy '*' "$UPSTREAM/_/counters" 2>&1) || true
    fi
    end_processes || bad=1
    proxies_were_well || bad=1
    if [[ -z ${BATS_TEST_COMPLETED:-} || $bad -ne 0 ]]; then
        [[ -z $counters ]] || echo "upstream's counters: $counters"
        show_logs
    fi
    ((${#tracked_dirs[@]} == 0)) || rm -rf -- "${tracked_dirs[@]}"
    tracked_dirs=()
    return "$bad"
}
