"""An application observed by the unmodified SkyWalking agent for Python. Environment variables configure the agent. The application
executes commands from standard input until the input ends.

Each line of the input is one command: `call OPERATION PEER` serves one request named OPERATION that calls PEER (`host:port`) once.
The output is `started`. The agent's log goes to standard error.
"""

import os
import sys

from skywalking import Component, agent
from skywalking.trace.context import get_context

agent.start()
print("started", flush=True)


def call(operation, peer):
    with get_context().new_entry_span(op=operation) as entry:
        entry.component = Component.General
        with get_context().new_exit_span(op=operation, peer=peer, component=Component.General):
            pass


for line in sys.stdin:
    match line.split():
        case ["call", operation, peer]:
            call(operation, peer)
        case _:
            sys.exit(f"unknown command: {line}")

# Skips the agent's own shutdown, which waits for queues that are no longer drained.
os._exit(0)
