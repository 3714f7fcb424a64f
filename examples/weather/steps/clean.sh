# Daily weather without header, in order of date. A line that is not six fields, or whose date is given twice, is an error.
set -eu
tail -n +2 seattle-weather.csv | sort > "$TMPDIR/days"
awk -F, '
  NF != 6 || $1 !~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/ { print "not a day of weather: " $0 > "/dev/stderr"; exit 1 }
  $1 == before { print "given twice: " $1 > "/dev/stderr"; exit 1 }
  { before = $1 }
' "$TMPDIR/days"
cp "$TMPDIR/days" "$OUTPUT"
echo "$(wc -l < "$OUTPUT") days"
