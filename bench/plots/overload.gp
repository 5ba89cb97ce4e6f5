# Goodput and latency against offered load; bench/run calls it with data and out.
set terminal svg size 1000,420 font "sans-serif,12" background "white"
set output out
set multiplot layout 1,2 title "Offered load, up to twice what pier can carry (1.0)"
set xlabel "offered : sustainable"
set grid
set key bottom right
stats data using 1 nooutput
set ylabel "goodput : sustainable"
set yrange [0:1.3]
plot (x < 1 ? x : 1) dt 2 lc rgb "#808080" title "ideal", \
     for [i=0:STATS_blocks-1] data index i using 1:2:3:4 with yerrorlines lw 2 title columnheader(1)
set ylabel "latency, microseconds"
set yrange [*:*]
set logscale y
set key top left
plot for [i=0:STATS_blocks-1] data index i using 1:5 with linespoints title columnheader(1)." p50", \
     for [i=0:STATS_blocks-1] data index i using 1:6 with linespoints dt 2 title columnheader(1)." p99"
unset multiplot
