"""Documents as pictures: plain JSON that both languages make, read and compare."""

import base64

import numpy as np
from docarray import Document, DocumentArray
from docarray.score import NamedScore

PLAIN = (
    'id', 'text', 'parent_id', 'granularity', 'adjacency', 'weight', 'uri', 'mime_type', 'modality', 'offset', 'location', 'tags',
)


def array(picture):
    data = [int(x) if isinstance(x, str) else x for x in picture['data']]
    return np.array(data, dtype=picture['dtype']).reshape([int(size) for size in picture['shape']])


def document(picture):
    fields = {key: int(picture[key]) if key in ('granularity', 'adjacency') else picture[key] for key in PLAIN if key in picture}
    if 'blob' in picture:
        fields['blob'] = base64.b64decode(picture['blob'])
    for key in ('tensor', 'embedding'):
        if key in picture:
            fields[key] = array(picture[key])
    for key in ('scores', 'evaluations'):
        if key in picture:
            fields[key] = {name: NamedScore(**score) for name, score in picture[key].items()}
    for key in ('chunks', 'matches'):
        if key in picture:
            fields[key] = DocumentArray([document(inner) for inner in picture[key]])
    return Document(**fields)


def number(x):
    # 64-bit integers do not fit into JSON's numbers everywhere.
    return str(x) if x.dtype.kind in 'iu' and x.dtype.itemsize == 8 else x.item()


def picture_of_array(value):
    if not isinstance(value, np.ndarray):
        return {'type': type(value).__name__, 'data': value}
    # numpy writes |b1 for booleans, and so on.
    return {'dtype': value.dtype.str, 'shape': list(value.shape), 'data': [number(x) for x in value.reshape(-1)]}


def picture(doc):
    made = {}
    for key in doc.non_empty_fields:
        value = getattr(doc, key)
        if key in PLAIN:
            made[key] = value
        elif key == 'blob':
            made[key] = base64.b64encode(value).decode()
        elif key in ('tensor', 'embedding'):
            made[key] = picture_of_array(value)
        elif key in ('scores', 'evaluations'):
            made[key] = {name: {field: getattr(score, field) for field in score.non_empty_fields} for name, score in value.items()}
        elif key in ('chunks', 'matches'):
            made[key] = [picture(inner) for inner in value]
    return made
