# What CI runs beside the suites of `make test`. Sourced by all.sh.
suite format tests/format.sh
suite headers make -s headers
suite cppcheck tests/cppcheck.sh
suite clang make -s -j2 clang
suite asan make -s -j2 asan
suite tsan make -s -j2 tsan
suite fuzz make -s -j2 fuzz FUZZ_S=5
