-- Floods a pier with TCP segments from Pktgen-DPDK, and leaves OUT.done when it is through; stats.lua then
-- writes what was sent. bench/pktgen/run sets the environment; by hand:
-- FLOOD_KIND=syn FLOOD_MAC=... pktgen ... -f flood.lua

local function env(name, otherwise)
	local v = os.getenv("FLOOD_" .. name)
	return (v and v ~= "") and v or otherwise
end

local kind = env("KIND", "syn")
local count = tonumber(env("COUNT", "1000000")) -- packets, divided among rounds and parts
local rounds = tonumber(env("ROUNDS", "1"))     -- each with source addresses of its own
local rate = tonumber(env("RATE", "100"))       -- percent of what pktgen takes for line rate
local server = env("SERVER", "198.18.0.2")
local mac = env("MAC", "02:00:00:00:00:02")
local port, closed = tonumber(env("PORT", "80")), tonumber(env("CLOSED", "81"))
local out = env("OUT", "flood.out")

-- flags and destination port
local parts = {
	["syn"] = { "syn", port },
	["ack"] = { "ack", port },
	["ack-closed"] = { "ack", closed },
	["rst-closed"] = { "rst", closed },
	["syn-closed"] = { "syn", closed },
	["xmas"] = { "fin psh urg", port },
	["null"] = { "", port },
	["synfin"] = { "syn fin", port },
	["all-flags"] = { "syn ack fin rst psh urg", port },
}
local kinds = {
	closed = { "ack-closed", "rst-closed", "syn-closed" },
	junk = { "xmas", "null", "synfin", "all-flags", "ack" },
	mix = { "syn", "ack-closed", "rst-closed", "syn-closed", "xmas", "null", "synfin", "all-flags", "ack" },
}

local function range(what, start, inc, min, max)
	local set = pktgen.range[what]
	set("0", "start", start)
	set("0", "min", min)
	set("0", "max", max)
	set("0", "inc", inc)
end

-- Commands that Lua has no call for go through a file.
local function commands(lines)
	local name = out .. ".cmd"
	local f = assert(io.open(name, "w"))
	f:write(lines)
	f:close()
	if not pcall(pktgen.run, "cmd", name) then
		pktgen.run("cmd", name, "") -- 23.10 counts its arguments wrongly
	end
	os.remove(name)
end

-- Flags are ACK unless cleared; "all" clears every one.
local function flags(names)
	local lines = "range 0 tcp flag clr all\n"
	for f in names:gmatch("%S+") do
		lines = lines .. "range 0 tcp flag set " .. f .. "\n"
	end
	commands(lines)
end

-- Addresses and ports advance together: as many tuples as there are packets in the pool, and no more.
local function tuples(round, dport)
	local net = "198.19." .. (round % 250) .. "."
	range("src_ip", net .. "1", "0.0.0.1", net .. "1", net .. "250")
	range("dst_ip", server, "0.0.0.0", server, server)
	range("src_port", 1024 + round, 1, 1024, 65535)
	range("dst_port", dport, 0, dport, dport)
	range("pkt_size", 64, 0, 64, 64)
	range("dst_mac", mac, "00:00:00:00:00:00", mac, mac)
end

local function round(name, n, i)
	local part = parts[name]
	pktgen.set_proto("0", "tcp")
	pktgen.range.ip_proto("0", "tcp")
	tuples(i, part[2])
	flags(part[1])
	pktgen.set_range("0", "on")
	pktgen.set("0", "count", n)
	pktgen.set("0", "rate", rate)
	pktgen.start("0")
	local until_ = os.time() + 60
	repeat
		pktgen.delay(20)
	until pktgen.isSending("0")[0] ~= "y" or os.time() > until_
	pktgen.stop("0")
end

local function main()
	pktgen.screen("off")
	pktgen.delay(1000) -- the link comes up
	local list = kinds[kind] or { kind }
	for i = 1, rounds do
		for j, name in ipairs(list) do
			round(name, math.floor(count / rounds / #list), i * #list + j)
		end
	end
	pktgen.delay(tonumber(env("LINGER", "1500"))) -- for answers on their way, and SYN-ACKs sent again
end

local ok, why = pcall(main)
local f = assert(io.open(out .. ".done", "w"))
f:write(ok and "" or tostring(why), "\n")
f:close()
