# Cycles by stage, without a port; bench/run calls it with data, the file, and out, the SVG to write.
set terminal svg size 900,420 font "sans-serif,12" background "white"
set output out
set title "Where the engine's cycles go, without a port"
set style data histogram
set style histogram rowstacked
set style fill solid 0.85 border lc rgb "white"
set boxwidth 0.6
set ylabel "cycles a message, request or connection"
set yrange [0:*]
set grid ytics
set key outside right reverse invert
plot for [i=2:10] data using i:xtic(1) title columnheader(i)
