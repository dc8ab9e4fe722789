# calling-codes.csv -> rows of calling_codes[] in countries.c, in the order of the file.
BEGIN { FS = "," }
/^#/ || $1 == "calling_code" { next }
{ gsub(/ /, "+", $2); printf "{\"%s\", \"%s\"},\n", $1, $2 }
