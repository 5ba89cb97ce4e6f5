-- What the port sent and received, then the end. By itself: pktgen counts only between scripts.
local out = os.getenv("FLOOD_OUT") or "flood.out"
local s = pktgen.portStats("0", "port")[0]
local f = assert(io.open(out, "w"))
for _, name in ipairs({ "opackets", "ipackets", "imissed", "ierrors", "oerrors", "rx_nombuf" }) do
	f:write(name, " ", s[name], "\n")
end
f:close()
pktgen.quit()
