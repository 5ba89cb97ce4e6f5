# Windows of CUBIC and NewReno over the modelled path, beside RFC 9438's formulas; bench/run --cc
# calls it with dir, where the CSV files are, and out, the SVG to write.
set terminal svg size 1100,760 font "sans-serif,11" background "white"
set output out
set datafile separator ","
set key outside bottom center horizontal
set grid
set multiplot layout 2,2 title "Congestion windows at 100 Mbit/s, 50 ms, one loss in 1/p packets (lib/algo alone)"
set ylabel "segments"
set xlabel "seconds"
do for [p in "1e-2 1e-3 1e-4 1e-5"] {
  set title "p = ".p
  set yrange [0:*]
  plot dir."/cubic-".p.".csv" using 1:2 skip 1 with lines lw 2 lc rgb "#0060ad" title "CUBIC", \
       "" using 1:3 skip 1 with lines dt 2 lc rgb "#dd181f" title "W_{cubic}(t)", \
       "" using 1:4 skip 1 with lines dt 3 lc rgb "#808080" title "W_{est}", \
       dir."/newreno-".p.".csv" using 1:2 skip 1 with lines lc rgb "#2f9e44" title "NewReno"
}
unset multiplot
