"""Posts documents of random classes to a Flow, and compares what came back with what it sent.

python classes.py '{"seed": 1}' reads {"address", "on", "classes", "docs", "change"} from each line of its stdin: so many classes, of each so many
documents, and what the Flow writes into the field `changed`. It prints how many documents it compared, and what was not the same.
"""

import json
import os
import random
import sys
from typing import Any, Dict, List, Optional, Set, Tuple, Union

os.environ.setdefault('JINA_OPTOUT_TELEMETRY', '1')
os.environ.setdefault('JINA_HIDE_SURVEY', '1')
out = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)  # whatever else prints

import numpy as np  # noqa: E402
from docarray import BaseDoc, DocList  # noqa: E402
from docarray.typing import AnyUrl, ImageUrl, NdArray  # noqa: E402
from jina import Client  # noqa: E402
from pydantic import create_model  # noqa: E402

rng = random.Random(json.loads(sys.argv[1])['seed'])
KNOWN = 'text blob tensor embedding uri mime_type weight parent_id granularity adjacency modality offset location chunks matches scores evaluations tags'.split()
OTHERS = 'title count mimeType content buffer data shape items at'.split()
DTYPES = 'float16 float32 float64 bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 >f4 >i8'.split()
TEXTS = ['', 'x', '1', 'héllo 🌍', '2026-01-01T00:00:00Z', '{"a": 1}']


class Inner(BaseDoc):
    uri: Optional[int]
    chunks: List[str] = []
    tensor: Optional[NdArray]
    text: str = ''


def some(value, most=3):
    return [value() for _ in range(rng.randint(0, most))]


def named(value):
    return {rng.choice(KNOWN + OTHERS + ['id', '', '__proto__', 'constructor']): value() for _ in range(rng.randint(0, 4))}


def array():
    shape = [rng.randint(1, 3) for _ in range(rng.randint(1, 3))]
    return np.array([rng.randint(0, 100) for _ in range(int(np.prod(shape)))]).astype(rng.choice(DTYPES)).reshape(shape)


def inner():
    return Inner(uri=rng.choice([None, 0, 5]), chunks=some(lambda: rng.choice(TEXTS)), tensor=rng.choice([None, array()]), text=rng.choice(TEXTS))


def integer():
    return rng.choice([0, 1, -1, rng.randint(-(2**31), 2**31 - 1)])


def real():
    return rng.choice([0.0, 1.0, -0.0, 1e300, float('inf'), 2.0**60, rng.random(), float(rng.randint(-100, 100))])


def flag():
    return rng.random() < 0.5


def text():
    return rng.choice(TEXTS)


def anything():
    return rng.choice([text, integer, real, flag, lambda: None, lambda: some(text), lambda: named(real)])()


PLAIN = [
    (str, text),
    (int, integer),
    (float, real),
    (bool, flag),
    (bytes, lambda: bytes(some(lambda: rng.randint(0, 255), 9))),
    (NdArray, array),
    (AnyUrl, lambda: 'http://example.com/a'),
    (ImageUrl, lambda: 'http://example.com/a.png'),
    (Inner, inner),
    (Any, anything),
    (Union[int, str], lambda: rng.choice([text, integer])()),
]


def kind():
    """A type, and what makes its values."""
    what, value = rng.choice(PLAIN)
    scalar, one = rng.choice(PLAIN[:4])
    return rng.choice(
        [
            lambda: (what, value),
            lambda: (what, value),
            lambda: (Optional[what], lambda: rng.choice([lambda: None, value])()),
            lambda: (List[scalar], lambda: some(one)),
            lambda: (Set[int], lambda: set(some(integer))),
            lambda: (Tuple[int, str], lambda: (integer(), text())),
            lambda: (Dict[str, scalar], lambda: named(one)),
            lambda: (Dict[str, Any], lambda: named(anything)),
            lambda: (DocList[Inner], lambda: DocList[Inner](some(inner))),
            lambda: (List[Inner], lambda: some(inner)),
            lambda: (Dict[str, Inner], lambda: named(inner)),
            lambda: (Dict[str, List[Inner]], lambda: named(lambda: some(inner))),
        ]
    )()


def differences(one, other, at):
    """Where two values are not the same, types included."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    elif type(one) is not type(other):
        same = False
    elif isinstance(one, BaseDoc):
        return differences(dict(one.__dict__), dict(other.__dict__), at)
    elif isinstance(one, dict):
        if one.keys() != other.keys():
            return [f'{at}: {sorted(one)} came back as {sorted(other)}']
        return [lost for key in one for lost in differences(one[key], other[key], f'{at}.{key}')]
    elif isinstance(one, (list, tuple, DocList)):
        if len(one) != len(other):
            return [f'{at}: {one!r} came back as {other!r}']
        return [lost for i, (a, b) in enumerate(zip(one, other)) for lost in differences(a, b, f'{at}[{i}]')]
    else:
        same = repr(one) == repr(other)
    return [] if same else [f'{at}: {one!r} came back as {other!r}']


def of_class(number, count):
    """A random class and documents of it that Python itself reads as it writes them; some it cannot."""
    while True:
        names = set(rng.sample(KNOWN, rng.randint(1, 6)) + rng.sample(OTHERS, rng.randint(0, 3)))
        kinds = {name: kind() for name in sorted(names)}
        made = create_model(f'Class{number}', __base__=BaseDoc, changed=(str, 'old'), **{name: (what, ...) for name, (what, _) in kinds.items()})
        try:
            docs = [made(**{name: value() for name, (_, value) in kinds.items()}) for _ in range(count)]
            docs = [made.from_protobuf(doc.to_protobuf()) for doc in docs]
            if not any(differences(doc, made.from_protobuf(doc.to_protobuf()), '') for doc in docs):
                return made, docs
        except Exception:
            continue


for line in sys.stdin:
    asked = json.loads(line)
    lost = []
    compared = 0
    client = Client(host=asked['address'])
    for number in range(asked['classes']):
        made, docs = of_class(number, asked['docs'])
        try:
            back = client.post(asked['on'], inputs=DocList[made](docs), return_type=DocList[made], request_size=3)
        except Exception as error:
            lost.append(f'{made.__annotations__}: {type(error).__name__}: {error}'[:2000])
            continue
        by_id = {doc.id: doc for doc in back}
        for doc in docs:
            compared += 1
            if 'change' in asked:
                doc.changed = asked['change']
            lost += differences(doc, by_id[doc.id], 'doc') if doc.id in by_id else [f'{doc.id} did not come back']
    print(json.dumps({'compared': compared, 'lost': lost[:20]}), file=out, flush=True)
