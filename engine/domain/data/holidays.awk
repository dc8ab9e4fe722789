# holidays.csv -> rows of holiday_rows[] in legal.c.
BEGIN { FS = "," }
/^#/ || $1 == "set" { next }
$2 == "fixed" { printf "{.country = \"%s\", .month = %d, .day = %d},\n", $1, substr($3, 1, 2), substr($3, 4, 2); next }
$2 == "easter" { printf "{.country = \"%s\", .from_easter = %d},\n", $1, $3; next }
{ print FILENAME ":" FNR ": rule is fixed or easter" >"/dev/stderr"; exit 1 }
