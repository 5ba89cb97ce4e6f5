# Windows of the whole engine over a simulated path, from tests/sim/trace.c:
#   for a in cubic newreno; do BUILD/tests/sim/sim_trace $a 1000 120 >DIR/$a-1e-3.csv; done
#   gnuplot -e "dir='DIR'; out='FILE.svg'" bench/plots/sim.gp
set terminal svg size 1100,420 font "sans-serif,11" background "white"
set output out
set datafile separator ","
set key outside bottom center horizontal
set grid
set multiplot layout 1,2 title "Congestion windows at 100 Mbit/s, 50 ms, one loss in 1/p packets (two engines, simulated path)"
set ylabel "segments"
set xlabel "seconds"
do for [p in "1e-3 1e-4"] {
  set title "p = ".p
  set yrange [0:*]
  plot dir."/cubic-".p.".csv" using 1:2 skip 1 with lines lw 2 lc rgb "#0060ad" title "CUBIC", \
       dir."/newreno-".p.".csv" using 1:2 skip 1 with lines lc rgb "#2f9e44" title "NewReno"
}
unset multiplot
