"""all-MiniLM-L6-v2 in numpy: six layers of BERT, the mean of what they make of a text, and that with the length 1."""

import json
import math
from zipfile import ZipFile

import numpy as np
from all_minilm_l6_v2 import get_model_zip_path
from tokenizers import Tokenizer

LAYERS, HEADS, LONGEST = 6, 12, 256


class MiniLM:
    def __init__(self):
        with ZipFile(get_model_zip_path()) as model:
            self.weights = safetensors(model.read('model.safetensors'))
            self.tokenizer = Tokenizer.from_str(model.read('tokenizer.json').decode())
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.no_padding()

    def __call__(self, texts):
        """A row for each text. The product of two rows is their cosine."""
        encoded = self.tokenizer.encode_batch(list(texts))
        rows = np.empty((len(encoded), 384), np.float32)
        # Texts of about the same length together: what is shorter is filled up to the longest.
        order = sorted(range(len(encoded)), key=lambda at: len(encoded[at].ids))
        for begin in range(0, len(order), 16):
            some = order[begin : begin + 16]
            rows[some] = self.embed([encoded[at].ids for at in some])
        return rows

    def embed(self, texts):
        longest = max(map(len, texts))
        ids, mask = (np.array([row + [0] * (longest - len(row)) for row in rows]) for rows in (texts, [[1] * len(text) for text in texts]))
        x = self.layers(ids, mask)
        mean = (x * mask[..., None].astype(np.float32)).sum(1)  # its length does not matter, as it gets another
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def layers(self, ids, mask):
        tables = 'embeddings.{}_embeddings.weight'.format
        words, positions, kinds = (self.weights[tables(name)] for name in ('word', 'position', 'token_type'))
        x = self.norm(words[ids] + positions[: ids.shape[1]] + kinds[0], 'embeddings')
        unseen = np.where(mask == 0, np.float32(-1e9), np.float32(0))[:, None, None]
        for layer in range(LAYERS):
            at = f'encoder.layer.{layer}.'
            query, key, value = (heads(self.linear(x, f'{at}attention.self.{name}')) for name in ('query', 'key', 'value'))
            seen = softmax(query @ key.swapaxes(2, 3) / math.sqrt(query.shape[3]) + unseen) @ value
            x = self.norm(x + self.linear(seen.swapaxes(1, 2).reshape(x.shape), f'{at}attention.output.dense'), f'{at}attention.output')
            x = self.norm(x + self.linear(gelu(self.linear(x, f'{at}intermediate.dense')), f'{at}output.dense'), f'{at}output')
        return x

    def linear(self, x, name):
        rows = x.reshape(-1, x.shape[-1]) @ self.weights[f'{name}.weight'].T + self.weights[f'{name}.bias']
        return rows.reshape(*x.shape[:-1], -1)

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[f'{name}.LayerNorm.weight'] + self.weights[f'{name}.LayerNorm.bias']


def safetensors(data):
    """The arrays of a file by their names: eight bytes say how long the table is, then comes the table, then the numbers."""
    start = 8 + int.from_bytes(data[:8], 'little')
    arrays = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != '__metadata__' and entry['dtype'] == 'F32':
            begin, end = entry['data_offsets']
            arrays[name] = np.frombuffer(data[start + begin : start + end], '<f4').reshape(entry['shape'])
    return arrays


def heads(x):
    return x.reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2)


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def gelu(x):
    return x * (1 + erf(x / np.float32(math.sqrt(2)))) / 2


def erf(x):
    """By Abramowitz and Stegun, 7.1.26: at most 1.5e-7 beside it, which is as near as float32 comes."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    y = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return np.sign(x) * (1 - y * np.exp(-x * x))
