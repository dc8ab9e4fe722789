#!/bin/sh
# Style and layers as a test. Fails on a layer crossed, on a stage that knows another
# stage, on a library in more files than it should be, on a clock or malloc where none
# belongs; only shows long functions and files. Prints `N passed, N failed`.
cd "$(dirname "$0")/.." || exit 1
failed=0 passed=0
say() { echo "tidy: $*"; failed=$((failed + 1)); }
done_with() { passed=$((passed + 1)); }

layers="base io domain stage ."
rank() { r=0; for l in $layers; do [ "$l" = "$1" ] && { echo $r; return; }; r=$((r + 1)); done; echo 99; }

for f in $(git ls-files 'engine/*.c' 'engine/*.h'); do
    here=$(dirname "${f#engine/}")
    own=$(basename "$f" | sed 's/\..*//')
    for inc in $(sed -n 's/^#include "\([^"]*\.h\)".*/\1/p' "$f"); do
        case $inc in carillon/* | google/*) continue ;; esac
        [ "$(rank "$(dirname "$inc")")" -le "$(rank "$here")" ] || say "$f: $here/ may not include $inc"
        family=${own%%_*} # a stage may have parts: X.c and X_*.c share X.h and X_*.h
        case $here:$inc in
        domain:io/http_message.h | domain:io/crypto.h) ;;
        domain:io/*) say "$f: domain does no I/O, so no $inc" ;;
        stage:stage/job.h | stage:stage/claims.h | stage:stage/route.h | stage:stage/tenants.h | stage:stage/forecast.h) ;;
        stage:stage/"$family".h | stage:stage/"$family"_*.h) ;;
        stage:stage/*) say "$f: a stage may not know $inc" ;;
        esac
    done
    done_with "$f"
done

few() {
    n=$(grep -rlE "#include <$1" engine | wc -l)
    [ "$n" -le "$2" ] || say "<$1> is included by $n files, at most $2 may: $(grep -rlE "#include <$1" engine | tr '\n' ' ')"
    done_with
}
few liburing 1; few llhttp 1; few nghttp2/ 1; few openssl/ 2; few curl/ 1; few hiredis/ 1
few microhttpd 1; few librdkafka/rdkafka 3; few glib 1; few cyaml/ 1; few ares 1

for f in $(git ls-files 'engine/domain/*.c' 'engine/stage/*.c' 'engine/base/*.c'); do
    case $f in engine/base/clock.c) continue ;; esac
    grep -nE '\b(clock_gettime|gettimeofday|time)\(' "$f" | grep -q . && say "$f: only base/clock asks for the time"
    done_with
done
git grep -nE '\b(TODO|FIXME|XXX)\b' -- engine bench proto deploy && say "a promise of later work"
done_with

echo "long functions (over 60 lines) and files (over 500), for people to judge:"
for f in $(git ls-files 'engine/*.c' 'bench/*.c'); do
    awk -v f="$f" '/^\{$/{start=NR} /^\}$/{if(start&&NR-start>60)print "  " NR-start " lines: " f ":" start; start=0}' "$f"
done
git ls-files 'engine/*.[ch]' 'bench/*.[ch]' | xargs wc -l | awk '$2!="total" && $1>500{print "  " $1 " lines: " $2}'
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
