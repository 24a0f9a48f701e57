// The search by meaning of examples/wordnet-semantic, with the model itself: that its vectors are those of all-MiniLM-L6-v2, and that it finds what is meant.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { interop, model, quiet } from './python.js'

const folder = resolve('examples/wordnet-semantic')

await interop(test, async (python) => {
  const env = quiet({ PYTHONPATH: await model(python), NO_COLOR: '1' })

  /** Runs a few lines of Python beside the model. */
  async function asked(script: string): Promise<any> {
    const { stdout } = await promisify(execFile)(python, ['-c', `import json, numpy as np\nfrom minilm import MiniLM\n${script}`], { cwd: folder, env })
    // The package of the model says that it is loaded.
    return JSON.parse(stdout.trim().split('\n').at(-1)!)
  }

  test('T5: the vectors of the example are those that the authors of all-MiniLM-L6-v2 show', async () => {
    const { shape, cosines } = await asked(`
texts = ['The weather is lovely today.', "It's so sunny outside!", 'He drove to the stadium.']
vectors = MiniLM()(texts)
print(json.dumps({'shape': vectors.shape, 'cosines': (vectors @ vectors.T).tolist()}))`)
    assert.equal(shape, [3, 384])
    // As https://sbert.net/docs/quickstart.html has them.
    const shown = [
      [1, 0.666, 0.1046],
      [0.666, 1, 0.1411],
      [0.1046, 0.1411, 1],
    ]
    for (const [at, row] of shown.entries()) for (const [to, cosine] of row.entries()) assert.ok(Math.abs(cosines[at][to] - cosine) < 1e-4, `${cosines}`)
  })

  test('T5: what stands beside a text in its request changes nothing of its vector, and what is too long is cut', async () => {
    const { apart, cut } = await asked(`
model = MiniLM()
texts = ['a', 'fear of spiders', '', 'the science that studies insects, ' * 20]
together = model(texts)
alone = np.concatenate([model([text]) for text in texts])
longer = model(['word ' * 254, 'word ' * 1000])
print(json.dumps({'apart': float(np.abs(together - alone).max()), 'cut': float(np.abs(longer[0] - longer[1]).max())}))`)
    assert.ok(apart < 1e-5, String(apart))
    assert.ok(cut < 1e-5, String(cut))
  })

  test('T5: the example finds the sense that is meant, also where no word of the question is in it', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'sluice-semantic-'))
    try {
      const run = (...args: string[]) =>
        promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), join(folder, 'main.ts'), '--python', python, ...args], { cwd, env })
      const first = await run('--limit', '400')
      assert.match(first.stderr, /^done: \d+ requests, 400 documents in /m)
      const found = (question: string): string => new RegExp(`\\n  ${question}\\n(( +\\d\\.\\d\\d  .+\\n){3})`).exec(first.stdout)![1]!
      assert.match(found('getting out of prison'), /escape|getaway/)
      const again = await run('--keep')
      assert.is(again.stdout, first.stdout.replace('\nEmbedding WordNet\n', ''), 'the vectors are kept, and answer the same')
    } finally {
      rmSync(cwd, { recursive: true, force: true })
    }
  })
})

test.run()
