-- wrk: a connection for each request. wrk counts no error when the server closes as it was asked to.
-- wrk -t1 -c64 -d10 -s bench/peers/wrk-short.lua http://198.18.0.2/
wrk.headers["Connection"] = "close"
