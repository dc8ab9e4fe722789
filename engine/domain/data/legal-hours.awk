# legal-hours.csv -> rows of legal_rows[] in legal.c: one a country and channel, with all
# seven days.
BEGIN { FS = "," }
function minutes(text) { return substr(text, 1, 2) * 60 + substr(text, 4, 2) }
/^#/ || $1 == "country" { next }
NF != 7 { print FILENAME ":" FNR ": not 7 fields" >"/dev/stderr"; exit 1 }
{
    row = $1 "," $2
    if (!(row in codes))
        order[++rows] = row
    codes[row] = $3
    holidays[row] = $7 == "-" ? "NULL" : "\"" $7 "\""
    split($4, range, "-")
    for (day = range[1]; day <= (range[2] ? range[2] : range[1]); day++)
        days[row, day] = "{" minutes($5) ", " minutes($6) "}"
}
END {
    for (i = 1; i <= rows; i++) {
        split(order[i], key, ",")
        printf "{.codes = \"%s\", .hours = {.country = \"%s\", .channel = CARILLON__V1__CHANNEL__CHANNEL_%s, .holidays = %s, .days = {", \
            codes[order[i]], key[1], toupper(key[2]), holidays[order[i]]
        for (day = 1; day <= 7; day++)
            printf "%s, ", (order[i], day) in days ? days[order[i], day] : "{0, 0}"
        print "}}},"
    }
}
