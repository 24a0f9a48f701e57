"""Serves a Flow whose documents are docarray's of the second kind, or posts such documents, as it is told line by line.

python docarray2.py '{"port": 1}' serves until its stdin ends, and prints {"ready": true}.
python docarray2.py '{"port": 1, "executor": 2}' serves a gateway over HTTP, before an executor at that port.
python docarray2.py '{}' reads {"address", "on", "docs"} from each line of its stdin, and prints what came back.
"""

import json
import os
import sys
from typing import Any, Dict, List, Optional

os.environ.setdefault('JINA_OPTOUT_TELEMETRY', '1')
os.environ.setdefault('JINA_HIDE_SURVEY', '1')
out = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)  # whatever else prints

import numpy as np  # noqa: E402
from docarray import BaseDoc, DocList  # noqa: E402
from docarray.typing import NdArray  # noqa: E402
from jina import Client, Executor, Flow, requests  # noqa: E402


class Part(BaseDoc):
    text: str = ''
    vector: Optional[NdArray]


class Page(BaseDoc):
    text: str = ''
    blob: Optional[bytes]
    embedding: Optional[NdArray]
    part: Optional[Part]
    chunks: Optional[DocList[Part]]
    tags: Dict[str, Any] = {}
    count: int = 0
    ratio: float = 0.0
    names: List[str] = []
    flag: bool = False


def array(picture):
    return None if picture is None else np.array(picture['values'], dtype=picture['dtype'])


def part(picture):
    return Part(id=picture['id'], text=picture['text'], vector=array(picture.get('vector')))


def page(picture):
    fields = dict(picture)
    if 'blob' in fields:
        fields['blob'] = bytes(int(byte) for byte in fields['blob'])  # parameters have floats only
    if 'embedding' in fields:
        fields['embedding'] = array(fields['embedding'])
    if 'part' in fields:
        fields['part'] = part(fields['part'])
    if 'chunks' in fields:
        fields['chunks'] = DocList[Part]([part(chunk) for chunk in fields['chunks']])
    return Page(**fields)


def seen(value):
    """What a value is, as JSON."""
    if isinstance(value, BaseDoc):
        return {name: seen(inner) for name, inner in value.__dict__.items() if inner is not None}
    if isinstance(value, np.ndarray):
        return {'dtype': str(value.dtype), 'values': value.tolist()}
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, DocList):
        return [seen(inner) for inner in value]
    return value


class Pages(Executor):
    @requests(on='/echo')
    def echo(self, docs: DocList[Page], **kwargs) -> DocList[Page]:
        return docs

    @requests(on='/upper')
    def upper(self, docs: DocList[Page], **kwargs) -> DocList[Page]:
        for doc in docs:
            doc.text = doc.text.upper()
            doc.count += 1
            if doc.embedding is not None:
                doc.embedding = doc.embedding * 2
        return docs

    @requests(on='/seen')
    def seen(self, docs: DocList[Page], **kwargs) -> DocList[Page]:
        return DocList[Page]([Page(id=doc.id, text=json.dumps(seen(doc))) for doc in docs])

    @requests(on='/make')
    def make(self, docs: DocList[Page], parameters, **kwargs) -> DocList[Page]:
        return DocList[Page]([page(picture) for picture in parameters['docs']])


def say(line):
    print(json.dumps(line), file=out, flush=True)


args = json.loads(sys.argv[1])
if 'executor' in args:
    # A gateway in front of an executor elsewhere, of which it knows what that says of itself.
    with Flow(protocol='http', host='127.0.0.1', port=args['port']).add(name='rank', external=True, host='127.0.0.1', port=args['executor']):
        say({'ready': True})
        sys.stdin.read()
elif 'port' in args:
    with Flow(protocol='grpc', host='127.0.0.1', port=args['port']).add(uses=Pages):
        say({'ready': True})
        sys.stdin.read()
else:
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            docs = Client(host=asked['address']).post(
                asked['on'], inputs=DocList[Page]([page(picture) for picture in asked['docs']]), return_type=DocList[Page], request_size=asked.get('size', 100)
            )
            say({'docs': [seen(doc) for doc in docs]})
        except Exception as error:
            say({'error': f'{type(error).__name__}: {error}'})
