# Cycles against the number of connections; bench/run calls it with data and out.
set terminal svg size 900,420 font "sans-serif,12" background "white"
set output out
set title "The same work among more connections, without a port"
set logscale x
set format x "10^{%T}"
set xlabel "connections"
set ylabel "cycles, median and range"
set yrange [0:*]
set xrange [500:2e7]
set grid
set key outside bottom center horizontal
stats data using 1 nooutput
plot for [i=0:STATS_blocks-1] data index i using 1:2:3:4 with yerrorlines lw 2 title columnheader(1)
