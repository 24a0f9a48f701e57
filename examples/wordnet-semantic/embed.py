"""An executor of Python's Jina that embeds texts: python embed.py PORT. It ends with its stdin, and so with whoever started it."""

import os
import signal
import sys
import threading

from jina import Deployment, Executor, requests

from minilm import MiniLM


class Embed(Executor):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.model = MiniLM()

    @requests(on=['/index', '/search'])
    def embed(self, docs, **kwargs):
        docs.embeddings = self.model(docs.texts)


def end():
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)  # Jina has processes of its own


if __name__ == '__main__':
    threading.Thread(target=end, daemon=True).start()
    with Deployment(uses=Embed, host='127.0.0.1', port=int(sys.argv[1]), include_gateway=False, quiet=True) as served:
        served.block()
