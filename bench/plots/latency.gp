# Latency that pier adds to the link's own; bench/run calls it with data and out.
set terminal svg size 1000,420 font "sans-serif,12" background "white"
set output out
set title "Latency added by pier"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.85 border lc rgb "white"
set ylabel "microseconds"
set logscale y
set grid ytics
set key top left
set xtics rotate by -30
plot for [i=2:4] data using i:xtic(1) title columnheader(i)
