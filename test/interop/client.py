"""Python's Jina Client, told by lines of JSON on its stdin what to do; answers each with a line on its stdout.

{"address": "grpc://127.0.0.1:1234", "do": "post", "on": "/echo", "pictures": […], …}
"""

import asyncio
import json
import os
import sys
import threading
import time

os.environ.setdefault('JINA_OPTOUT_TELEMETRY', '1')
os.environ.setdefault('JINA_HIDE_SURVEY', '1')
out = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)  # whatever else prints

import grpc  # noqa: E402
from docarray import Document, DocumentArray  # noqa: E402
from documents import document, picture  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from jina import Client  # noqa: E402
from jina.proto import jina_pb2_grpc  # noqa: E402
from jina.types.request.data import DataRequest  # noqa: E402


def inputs(ask):
    """Documents by their pictures, `count` numbered ones (from a generator), or none."""
    if 'count' in ask:
        return (Document(id=f'd{i}', text=str(i), tags={'ms': ask['late'][i % len(ask['late'])]} if 'late' in ask else {}) for i in range(ask['count']))
    return DocumentArray([document(made) for made in ask['pictures']]) if 'pictures' in ask else None


def answer(response):
    return {
        'header': MessageToDict(response.header, preserving_proto_field_name=True),
        'parameters': response.parameters,
        'routes': [
            {'executor': route.executor, 'status': int(route.status.code), 'ms': route.end_time.ToMilliseconds() - route.start_time.ToMilliseconds()}
            for route in response.routes
        ],
        'docs': [picture(doc) for doc in response.docs],
    }


def post(client, ask):
    given = {key: ask[key] for key in ('parameters', 'target_executor', 'request_size', 'results_in_order', 'stream', 'prefetch', 'continue_on_error') if key in ask}
    given.update(ask.get('more', {}))
    if 'metadata' in given:
        given['metadata'] = tuple((key, value) for key, value in given['metadata'])
    if ask.get('brief'):
        docs = client.post(ask['on'], inputs(ask), **given)
        return {'texts': docs.texts}
    return {'responses': [answer(response) for response in client.post(ask['on'], inputs(ask), return_responses=True, **given)]}


def stream(client, ask):
    async def collect():
        return [picture(doc) async for doc in client.stream_doc(on=ask['on'], inputs=document(ask['pictures'][0]), return_type=Document)]

    return {'docs': asyncio.run(collect())}


class Load:
    """Asks on and on, by the generated stubs on a channel that it keeps, and by Clients; counts what is answered."""

    def __init__(self, address):
        self.address, self.over, self.answered, self.failures = address, False, 0, []
        self.threads = [threading.Thread(target=self.run, args=(work,)) for work in (self.stubs(), self.stubs(), self.posts())]
        for thread in self.threads:
            thread.start()

    def stubs(self):
        channel = grpc.insecure_channel(self.address.replace('grpc://', ''))
        stub = jina_pb2_grpc.JinaSingleDataRequestRPCStub(channel)
        while True:
            request = DataRequest()
            request.header.exec_endpoint = '/'
            request.data.docs = DocumentArray([Document(text='a')])
            yield stub.process_single_data(request).docs.texts == ['a!']

    def posts(self):
        while True:
            docs = Client(host=self.address).post('/', DocumentArray([Document(text='a') for _ in range(3)]), request_size=1)
            yield docs.texts == ['a!'] * 3

    def run(self, work):
        while not self.over:
            try:
                if not next(work):
                    raise ValueError('another answer')
                self.answered += 1
            except Exception as error:
                self.failures.append(f'{type(error).__name__}: {error}'[:300])
                return

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


load = None


def obey(ask):
    global load
    if ask['do'] == 'load':
        load = Load(ask['address'])
        return {}
    if ask['do'] in ('loaded', 'unload'):
        if ask['do'] == 'unload':
            load.end()
        return {'answered': load.answered, 'failures': load.failures}
    client = Client(host=ask['address'], asyncio=ask['do'] == 'stream')
    if ask['do'] == 'post':
        return post(client, ask)
    if ask['do'] == 'stream':
        return stream(client, ask)
    if ask['do'] == 'ready':
        return {'ready': client.is_flow_ready()}
    if ask['do'] == 'mutate':
        return {'data': client.mutate(ask['mutation'], ask.get('variables'))}
    raise ValueError(ask['do'])


def end(parent):
    """Ends when whoever started it is gone, also while a post hangs."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


threading.Thread(target=end, args=(os.getppid(),), daemon=True).start()
for line in sys.stdin:
    try:
        told = obey(json.loads(line))
    except BaseException as error:  # what clients see is what is asked for
        kinds = [kind.__name__ for kind in type(error).__mro__]
        told = {'error': {'type': kinds[0], 'kinds': kinds, 'message': str(error)}}
    print(json.dumps(told), file=out, flush=True)
