# Latency that pier adds to the link's own; bench/run calls it with data and out. A block each: what was due while
# neither CPU was stopped, where the result has that, and all.
stats data using 0 nooutput
blocks = STATS_blocks > 1 ? 2 : 1
set terminal svg size 1000,(blocks == 2 ? 760 : 420) font "sans-serif,12" background "white"
set output out
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.85 border lc rgb "white"
set ylabel "microseconds"
set logscale y
set grid ytics
set key top left
set xtics rotate by -30
set multiplot layout blocks,1
do for [b=0:blocks - 1] {
	set title (blocks == 2 && b == 0 ? "Latency added by pier, while neither CPU was stopped" : "Latency added by pier, all")
	plot for [i=2:4] data index b using i:xtic(1) title columnheader(i)
}
unset multiplot
