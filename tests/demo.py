#!/usr/bin/env python3
"""What `carillon demo` promises: demo.py [PROGRAM]. Each function is one behaviour, named as a
sentence; they run side by side, as each waits for most of its time."""

import concurrent.futures
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "build/carillon"
FOLDERS = tempfile.TemporaryDirectory(prefix="demo-")


class Demo:
    """One run, with a temporary folder of its own, so that what it leaves can be seen."""

    def __init__(self, *arguments, terminal=False, **more):
        self.folder = tempfile.mkdtemp(dir=FOLDERS.name)
        self.end, out = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [PROGRAM, "demo", *arguments], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": self.folder, **more})
        os.close(out)
        self.output = ""

    def children(self):
        tasks = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(tasks) as file:
            return [int(pid) for pid in file.read().split()]

    def read(self):
        """Until it ends."""
        data = b""
        while True:
            try:
                piece = os.read(self.end, 65536)
            except OSError:  # a terminal whose other side is closed
                piece = b""
            if not piece:
                break
            data += piece
        os.close(self.end)
        self.output = data.decode()
        return self.process.wait(60)

    def stop(self, after_s, how=signal.SIGINT):
        time.sleep(after_s)
        children = self.children()
        self.process.send_signal(how)
        return self.read(), children

    def left(self):
        return os.listdir(self.folder)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def all_are_gone(pids):
    for _ in range(100):
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def it_ends_with_books_that_add_up_and_leaves_nothing():
    demo = Demo("--count", "400")
    assert demo.read() == 0, demo.output
    assert "it adds up" in demo.output and "as many as were sent" in demo.output, demo.output
    assert re.search(r"http://127\.0\.0\.1:\d+/metrics", demo.output), demo.output
    assert "\r" not in demo.output and "\033" not in demo.output, demo.output
    assert demo.left() == []


def on_a_terminal_one_line_is_written_anew():
    demo = Demo("--count", "400", terminal=True)
    assert demo.read() == 0, demo.output
    assert demo.output.count("\r\033[K") > 2, demo.output
    assert demo.left() == []


def stopped(after_s, how, terminal=False):
    demo = Demo(terminal=terminal)
    code, children = demo.stop(after_s, how)
    assert code == 128 + how, (code, demo.output)
    assert len(children) == 2 or after_s < 1, children
    assert all_are_gone(children)
    assert demo.left() == []


def ctrl_c_while_it_starts_leaves_nothing():
    stopped(0.1, signal.SIGINT)


def ctrl_c_while_the_worker_starts_leaves_nothing():
    stopped(2.5, signal.SIGINT, terminal=True)


def ctrl_c_while_messages_go_leaves_nothing():
    stopped(8, signal.SIGINT, terminal=True)


def sigterm_while_messages_go_leaves_nothing():
    stopped(8, signal.SIGTERM)


def its_children_die_with_it_even_when_it_is_killed():
    demo = Demo()
    code, children = demo.stop(3, signal.SIGKILL)
    assert code == -signal.SIGKILL and len(children) == 2, (code, children)
    assert all_are_gone(children)


def a_closed_output_ends_it():
    demo = Demo()
    time.sleep(0.2)
    os.close(demo.end)
    assert demo.process.wait(60) == 69
    assert demo.left() == []


def a_missing_redis_server_is_said_with_the_remedy():
    demo = Demo(PATH="/nonexistent")
    assert demo.read() == 69
    assert "redis-server is not installed: run deploy/deps.sh build" in demo.output, demo.output
    assert demo.left() == []


def a_count_beyond_the_mock_cluster_is_refused():
    demo = Demo("--count", "1000000")
    assert demo.read() == 64
    assert "98304" in demo.output, demo.output


def run(test):
    try:
        test()
        return None
    except Exception as error:  # pylint: disable=broad-except
        return f"{test.__name__}: {type(error).__name__}: {error}"


def main():
    tests = [value for name, value in globals().items()
             if callable(value) and getattr(value, "__module__", "") == __name__ and
             name not in ("main", "run", "stopped", "is_running", "all_are_gone", "Demo")]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        failures = [failure for failure in pool.map(run, tests) if failure]
    for failure in failures:
        print(failure)
    print(f"{len(tests) - len(failures)} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
