"""Executes a notebook: execute.py KERNEL [NOTEBOOK], cells as JSON on stdin where there is no file. Prints what each cell had for output, as JSON."""

import json
import sys

import nbformat
from nbclient import NotebookClient

kernel, *file = sys.argv[1:]
if file:
    notebook = nbformat.read(file[0], as_version=4)
else:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in json.load(sys.stdin)])
client = NotebookClient(notebook, kernel_name=kernel, timeout=60, startup_timeout=60, allow_errors=True)
client.execute()
outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
print(json.dumps(outputs))
