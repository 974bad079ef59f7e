# daemons.bash: real nginx, squid and tinyproxy around the proxy, and certificates.
#
# start_X [CONFIG]: CONFIG is a file or the text itself; in it @PORT@ is a free
# port, @DIR@ the daemon's folder, @UPSTREAM@ the upstream's HOST:PORT, @CERT@,
# @KEY@ and @CA@ what make_ca made. What a daemon needs to run in the
# foreground as this user is added. Sets for nginx NGINX_PORT, NGINX_PID,
# NGINX_LOG, NGINX_DIR and NGINX (http://127.0.0.1:port), for the others alike.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the other files

# daemon NAME: its folder in $daemon_dir and its port in $daemon_port.
daemon() {
    daemon_count=$((${daemon_count:-0} + 1))
    # not below the test's own folder, which a daemon that gives up root cannot enter
    daemon_dir=$(mktemp -d "${BATS_RUN_TMPDIR:?}/../goproxyai-$1.XXXXXX") || return 1
    daemon_dir=$(cd "$daemon_dir" && pwd)
    chmod 755 "$daemon_dir"
    tracked_dirs+=("$daemon_dir")
    daemon_port=$(free_port)
    tracked_logs+=("$daemon_dir/log")
}

daemon_config() {
    local text=${1:-}
    [[ $text == *$'\n'* || ! -f $text ]] || text=$(<"$text")
    text=${text//@PORT@/$daemon_port}
    text=${text//@DIR@/$daemon_dir}
    text=${text//@UPSTREAM@/127.0.0.1:${UPSTREAM_PORT:-9}}
    text=${text//@CERT@/${CERT_FILE:-}}
    text=${text//@KEY@/${KEY_FILE:-}}
    echo "${text//@CA@/${CA_FILE:-}}"
}

# daemon_run PREFIX CMD…: starts it and waits for its port.
daemon_run() {
    local prefix=$1
    shift
    PATH=$PATH:/usr/sbin:/sbin spawn "$daemon_dir/log" "$daemon_dir/log" "$@"
    printf -v "${prefix}_PID" %s "$spawned"
    printf -v "${prefix}_PORT" %s "$daemon_port"
    printf -v "${prefix}_LOG" %s "$daemon_dir/log"
    printf -v "${prefix}_DIR" %s "$daemon_dir"
    printf -v "$prefix" %s "http://127.0.0.1:$daemon_port"
    eventually daemon_answers "$spawned" "$daemon_port"
}

daemon_answers() {
    alive "$1" || return 99
    port_answers "$2"
}

# start_nginx CONFIG: CONFIG stands within http { }.
start_nginx() {
    local user=
    daemon nginx || return 1
    [[ $(id -u) -ne 0 ]] || user='user root;'
    cat >"$daemon_dir/conf" <<END
daemon off; $user worker_processes 1; pid $daemon_dir/pid; error_log stderr warn;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
    access_log $daemon_dir/access.log;
    client_body_temp_path $daemon_dir/body; proxy_temp_path $daemon_dir/proxy;
    fastcgi_temp_path $daemon_dir/fastcgi; uwsgi_temp_path $daemon_dir/uwsgi; scgi_temp_path $daemon_dir/scgi;
$(daemon_config "${1:-}")
}
END
    daemon_run NGINX nginx -p "$daemon_dir" -e stderr -c "$daemon_dir/conf"
}

# start_squid [CONFIG]: a forward proxy that allows all unless CONFIG says
# otherwise (it comes first, so that its http_access rules win).
start_squid() {
    daemon squid || return 1
    {
        daemon_config "${1:-}"
        cat <<END
http_port 127.0.0.1:$daemon_port
http_access allow all
cache deny all
pid_filename none
access_log none
cache_log $daemon_dir/cache.log
pinger_enable off
dns_nameservers 127.0.0.1
coredump_dir $daemon_dir
shutdown_lifetime 0 seconds
visible_hostname localhost
END
    } >"$daemon_dir/conf"
    # as root it goes on as another user, who must be able to write its log
    chmod 777 "$daemon_dir"
    tracked_logs+=("$daemon_dir/cache.log")
    daemon_run SQUID squid -N -d 1 -f "$daemon_dir/conf"
}

# start_tinyproxy [CONFIG]: a forward proxy, as in `BasicAuth user secret`.
start_tinyproxy() {
    daemon tinyproxy || return 1
    cat >"$daemon_dir/conf" <<END
Port $daemon_port
Listen 127.0.0.1
Timeout 600
MaxClients 500
LogFile "$daemon_dir/tinyproxy.log"
LogLevel Info
$(daemon_config "${1:-}")
END
    tracked_logs+=("$daemon_dir/tinyproxy.log")
    daemon_run TINYPROXY tinyproxy -d -c "$daemon_dir/conf"
}

# make_ca [NAME]: a CA and a certificate of it for localhost, 127.0.0.1, ::1 and
# upstream.test; sets CA_FILE, CERT_FILE, KEY_FILE. Another NAME, another CA.
make_ca() {
    local dir
    dir=$(work_dir)/ca-${1:-test}
    mkdir -p "$dir"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=CA ${1:-test}" \
        -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>"$dir/log" || return 1
    CA_FILE=$dir/ca.pem
    CA_KEY_FILE=$dir/ca.key
    make_cert "${1:-test}" DNS:localhost,DNS:upstream.test,IP:127.0.0.1,IP:::1
}

# make_cert NAME SUBJECT-ALT-NAMES [DAYS]: a certificate of the latest CA; 0 days:
# one that has run out. Sets CERT_FILE, KEY_FILE.
make_cert() {
    local stem
    stem=$(work_dir)/cert-$1
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
        -keyout "$stem.key" -out "$stem.csr" 2>"$stem.log" || return 1
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$2" >"$stem.ext"
    openssl x509 -req -in "$stem.csr" -CA "$CA_FILE" -CAkey "$CA_KEY_FILE" -CAcreateserial -days "${3:-2}" \
        -extfile "$stem.ext" -out "$stem.pem" 2>>"$stem.log" || return 1
    CERT_FILE=$stem.pem
    KEY_FILE=$stem.key
}
