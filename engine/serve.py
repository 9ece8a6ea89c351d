"""Serves a GGUF file through a real llama.cpp server on loopback until it is told to stop.

Prints one JSON line once the server listens, and exits when its standard input closes or on SIGTERM,
so that no server outlives the process that started it.

    python serve.py MODEL.gguf [--port 0] [--slots 1] [--context 4096] [--threads N] [--cache-ram MIB]
        [--detached]
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from importlib.metadata import version

import xllamacpp


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def parameters(args, port):
    params = xllamacpp.CommonParams()
    params.model.path = args.model
    # Clients must not see the path.
    params.model_alias = {os.path.basename(args.model)}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = args.slots
    # llama.cpp divides the context among the slots.
    params.n_ctx = args.context * args.slots
    params.kv_unified = False
    params.cache_ram_mib = args.cache_ram
    params.cpuparams.n_threads = args.threads
    params.cpuparams_batch.n_threads = args.threads
    params.endpoint_props = True
    params.endpoint_slots = True
    # The server's own totals, against which the client's counts are checked.
    params.endpoint_metrics = True
    params.warmup = True
    # Random weights would stop at random places: requests end at their own limit instead.
    params.sampling.ignore_eos = True
    return params


def healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--context", type=int, default=4096, help="tokens per slot")
    # Half the machine: the client that measures needs the other half.
    parser.add_argument("--threads", type=int, default=max(1, min(4, (os.cpu_count() or 1) // 2)))
    parser.add_argument("--cache-ram", type=int, default=8192, help="host memory for prompts, MiB")
    parser.add_argument("--detached", action="store_true", help="do not end with standard input")
    args = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    port = args.port or free_port()
    server = xllamacpp.Server(parameters(args, port))
    deadline = time.monotonic() + 60
    while not healthy(port):
        if stop.is_set() or time.monotonic() > deadline:
            sys.exit("the server did not become healthy within 60 s")
        time.sleep(0.05)
    facts = {
        "url": f"http://127.0.0.1:{port}",
        "pid": os.getpid(),
        "slots": args.slots,
        "context": args.context,
        "xllamacpp": version("xllamacpp"),
    }
    print(json.dumps(facts), flush=True)
    if not args.detached:

        def until_closed():
            sys.stdin.buffer.read()
            stop.set()

        threading.Thread(target=until_closed, daemon=True).start()
    stop.wait()
    # Dropping the server would wait for its clients; the process need not.
    os._exit(0 if server else 1)


if __name__ == "__main__":
    main()
