"""Reads token streams with locust: one user a stream, every line parsed.

Set by the environment: PEER_REQUESTS of each user, PEER_TOKENS of each request, PEER_OUT the file
to write a JSON array to, one object for each request, in the form that the floor prints.
"""

import itertools
import json
import os
import time

from locust import HttpUser, events, task
from locust.exception import StopUser

REQUESTS = int(os.environ["PEER_REQUESTS"])
TOKENS = int(os.environ["PEER_TOKENS"])
numbers = itertools.count()
rows = []


class Agent(HttpUser):
    def on_start(self):
        self.calls = 0

    @task
    def generate(self):
        if self.calls == REQUESTS:
            raise StopUser
        self.calls += 1
        seed = next(numbers)
        body = {
            "model": "metronome",
            "prompt": "stream",
            "options": {"seed": seed, "num_predict": TOKENS},
        }
        sent = time.perf_counter_ns()
        first = None
        with self.client.post(
            "/api/generate", json=body, stream=True, catch_response=True
        ) as response:
            # Ten-kilobyte chunks, the default, would hold tokens back.
            for line in response.iter_lines(chunk_size=None):
                stamp = time.perf_counter_ns()
                if json.loads(line)["response"] and first is None:
                    first = stamp
            response.success()
        rows.append({"seed": seed, "ttft_ns": first - sent, "connect_ns": None})
        if len(rows) == REQUESTS * self.environment.parsed_options.num_users:
            self.environment.runner.quit()


@events.quitting.add_listener
def write(environment, **_):
    with open(os.environ["PEER_OUT"], "w") as file:
        json.dump(rows, file)
