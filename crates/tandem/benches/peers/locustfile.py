"""Reads token streams with locust: one user a stream, every line parsed.

Set by the environment: PEER_REQUESTS of each user, PEER_TOKENS of each request, PEER_OUT the file
to write a JSON array to, one object for each request, in the form that the floor prints.
"""

import itertools
import json
import os
import time

import gevent
from locust import HttpUser, events, task
from locust.exception import StopUser

REQUESTS = int(os.environ["PEER_REQUESTS"])
TOKENS = int(os.environ["PEER_TOKENS"])
numbers = itertools.count()
rows = []


class Agent(HttpUser):
    ended = 0

    def on_start(self):
        self.calls = 0

    @task
    def generate(self):
        if self.calls == REQUESTS:
            raise StopUser
        self.calls += 1
        try:
            rows.append(self.ask(next(numbers)))
        finally:
            Agent.ended += 1
            if Agent.ended == REQUESTS * self.environment.parsed_options.num_users:
                # Apart: it ends this user too, and would not come to its own end.
                gevent.spawn(self.environment.runner.quit)

    def ask(self, seed):
        body = {
            "model": "metronome",
            "prompt": "stream",
            "options": {"seed": seed, "num_predict": TOKENS},
        }
        sent = time.perf_counter_ns()
        first = None
        tokens = 0
        with self.client.post(
            "/api/generate", json=body, stream=True, catch_response=True
        ) as response:
            response.raise_for_status()
            # Ten-kilobyte chunks, the default, would hold tokens back.
            for line in response.iter_lines(chunk_size=None):
                stamp = time.perf_counter_ns()
                if json.loads(line)["response"]:
                    tokens += 1
                    first = first or stamp
            if tokens != TOKENS:
                raise ValueError(f"{tokens} tokens of {TOKENS}")
            response.success()
        return {"seed": seed, "ttft_ns": first - sent, "connect_ns": None}


@events.quitting.add_listener
def write(environment, **_):
    with open(os.environ["PEER_OUT"], "w") as file:
        json.dump(rows, file)
