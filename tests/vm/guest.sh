# In the guest: gives pier the card at 00:02.0, serves until a line comes, and says what became of it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
share=$1 card=/sys/bus/pci/devices/0000:00:02.0
/sbin/modprobe -d "$share" vfio-pci
[ -e $card/driver ] && echo 0000:00:02.0 >$card/driver/unbind
echo vfio-pci >$card/driver_override
echo 0000:00:02.0 >/sys/bus/pci/drivers_probe
cd /tmp || exit
"$share/pier" -c "$share/pier.ini" --stats-at-exit >log 2>&1 &
pier=$!
until grep -q "serving on" log; do
	kill -0 $pier || break
	sleep 0.2
done
cat log
echo "pier serves"
read -r _
kill -INT $pier
wait $pier
echo "pier ended: $?"
sed -n '/SIGINT/,$p' log
