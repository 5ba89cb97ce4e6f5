-- wrk (github.com/wg/wrk): 16 requests at a time on each connection.
-- wrk -t1 -c64 -d10 -s bench/peers/wrk-pipeline.lua http://198.18.0.2/
init = function(args)
	local r = {}
	for i = 1, 16 do
		r[i] = wrk.format("GET", "/")
	end
	req = table.concat(r)
end

request = function()
	return req
end
