# What scripts that try commands share; sourced. Their folder is $dir, a fault sets $failed.
carillon=build/carillon
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
check() { # sentence, condition
    if eval "$2"; then echo "ok $1"; else echo "not ok $1"; failed=1; cat "$dir/out" "$dir/err"; fi
}
run() { # exit code, arguments...
    want=$1
    shift
    "$carillon" "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    [ "$got" = "$want" ] || { echo "exit $got instead of $want: $*"; return 1; }
}
