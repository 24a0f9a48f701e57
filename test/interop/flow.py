"""Serves a Flow or a Deployment of Python's Jina until its stdin ends.

python flow.py '{"protocol": ["grpc", "http"], "port": [1, 2], "executors": [{"name": "first"}, …], …}'

`kind` may be "deployment", `gateway` is what only the gateway gets; all other keys go to the Flow. Prints {"ready": true} on its stdout when it takes requests.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time

os.environ.setdefault('JINA_OPTOUT_TELEMETRY', '1')
os.environ.setdefault('JINA_HIDE_SURVEY', '1')
out = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)  # whatever else prints

from docarray import Document, DocumentArray  # noqa: E402
from documents import document, picture  # noqa: E402
from jina import Deployment, Executor, Flow, requests  # noqa: E402


class Peer(Executor):
    """Answers as the Executor in peer.ts does."""

    @requests(on='/echo')
    def echo(self, **kwargs):
        pass

    @requests(on='/upper')
    def upper(self, docs, **kwargs):
        for doc in docs:
            doc.text = doc.text.upper()

    @requests(on='/trail')
    def trail(self, docs, **kwargs):
        for doc in docs:
            doc.tags['trail'] = doc.tags.get('trail', '') + '/' + self.runtime_args.name.split('/')[0]

    @requests(on='/pictures')
    def pictures(self, docs, parameters, **kwargs):
        """What arrived, as this side sees it."""
        return {'pictures': [picture(doc) for doc in docs], 'parameters': parameters}

    @requests(on='/make')
    def make(self, parameters, **kwargs):
        return DocumentArray([document(made) for made in parameters['pictures']])

    @requests(on='/fail')
    def fail(self, docs, **kwargs):
        raise ValueError('no', docs[0].text)

    @requests(on='/late')
    async def late(self, docs, **kwargs):
        await asyncio.sleep(max(doc.tags.get('ms', 0) for doc in docs) / 1000)

    @requests(on='/work')
    def work(self, **kwargs):
        time.sleep(0.04)

    @requests(on='/told')
    def told(self, docs, parameters, **kwargs):
        """Says what it was told, and by which instance."""
        for doc in docs:
            doc.tags['told'] = {**parameters, 'count': len(docs), 'shard': self.runtime_args.name}

    @requests(on='/tokens')
    async def tokens(self, doc: Document, **kwargs):
        for token in doc.text.split(' '):
            yield Document(text=token)


def end():
    """Ends all processes of the Flow when whoever started it is gone, also while it still waits for something."""
    # Not by sys.stdin: its lock would be held when Jina forks, and its children close it.
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main(options):
    threading.Thread(target=end, daemon=True).start()
    executors = options.pop('executors', [])
    if options.pop('kind', 'flow') == 'deployment':
        served = Deployment(uses=Peer, quiet=True, **options)
    else:
        # A key and a certificate given to the Flow go to its Executors too, which the gateway then cannot reach.
        gateway = options.pop('gateway', {})
        served = Flow(quiet=True, **options).config_gateway(protocol=options['protocol'], port=options['port'], host=options['host'], **gateway)
        for executor in executors:
            served = served.add(**({} if executor.get('external') else {'uses': Peer}), **executor)
    with served:
        print(json.dumps({'ready': True}), file=out, flush=True)
        threading.Event().wait()


if __name__ == '__main__':
    main(json.loads(sys.argv[1]))
