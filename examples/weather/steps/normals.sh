# Mean temperature of each month, 1981 to 2010, from the normals of each hour: twelve lines "month,degrees".
set -eu
awk -F, '
  NR > 1 { month = substr($1, 6, 2); sum[month] += $3; hours[month]++ }
  END { for (month in sum) printf "%d,%.2f\n", month, sum[month] / hours[month] }
' seattle-weather-hourly-normals.csv | sort -n > "$OUTPUT"
