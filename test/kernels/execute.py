"""Executes a notebook: execute.py KERNEL [NOTEBOOK], cells as JSON on stdin where there is no file. Prints what each cell had for output, as JSON.

Deno's kernel may send what a cell shows last after it has said that the cell is done (2.9.6: `1 + 1` does so about once in four times). JupyterLab still
shows it in its cell, by the request that each message names; nbclient hears no more of a cell that is done. So messages are taken here as JupyterLab does.
"""

import json
import queue
import sys
import time

import nbformat
from jupyter_client.manager import start_new_kernel
from nbformat.v4 import output_from_msg

DEADLINE = 60
"""Seconds for one cell."""
SILENCE = 1
"""Seconds without a message, after which the last cell shows nothing more."""


def take(message, outputs):
    """What a message changes in the outputs of its cell, or of all."""
    kind = message["msg_type"]
    own = outputs.get(message["parent_header"].get("msg_id"))
    if kind == "update_display_data":
        content = message["content"]
        for of, output in (pair for cell in outputs.values() for pair in cell):
            if of is not None and of == content["transient"]["display_id"]:
                output["data"], output["metadata"] = content["data"], content["metadata"]
    elif own is None:
        return
    elif kind == "clear_output":
        own.clear()
    elif kind in ("execute_result", "display_data", "stream", "error"):
        own.append((message["content"].get("transient", {}).get("display_id"), output_from_msg(message)))


def is_done(message, request):
    return message["parent_header"].get("msg_id") == request and message["content"].get("execution_state") == "idle"


kernel, *file = sys.argv[1:]
if file:
    notebook = nbformat.read(file[0], as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
else:
    cells = json.load(sys.stdin)
manager, client = start_new_kernel(kernel_name=kernel, startup_timeout=DEADLINE)
try:
    outputs = {}
    for cell in cells:
        request = client.execute(cell)
        outputs[request] = []
        until = time.monotonic() + DEADLINE
        done = False
        while not done:
            message = client.get_iopub_msg(timeout=max(0, until - time.monotonic()))
            take(message, outputs)
            done = is_done(message, request)
    try:
        while True:
            take(client.get_iopub_msg(timeout=SILENCE), outputs)
    except queue.Empty:
        pass
    print(json.dumps([[output for _, output in cell] for cell in outputs.values()]))
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
