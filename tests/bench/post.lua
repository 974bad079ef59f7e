-- wrk: the plain request of the benches (about 300 bytes of body, see bench.h).
-- BENCH_HEADERS holds further headers, one a line. At the end one line of
-- numbers for tests/bench/run.

wrk.method = "POST"
wrk.body = '{"model":"gpt-4o-mini","temperature":0,"max_tokens":256,"messages":['
	.. '{"role":"system","content":"You are a careful assistant who answers in '
	.. 'one short paragraph."},{"role":"user","content":"Say in plain words what a '
	.. 'proxy between a program and a service is good for, and what it costs."}]}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"

for line in (os.getenv("BENCH_HEADERS") or ""):gmatch("[^\n]+") do
	local name, value = line:match("^([^:]+):%s*(.*)$")
	if name then
		wrk.headers[name] = value
	end
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format("bench requests=%d us=%d errors=%d p50_us=%d p99_us=%d\n",
		summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
		latency:percentile(50), latency:percentile(99)))
end
