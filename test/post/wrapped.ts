import type { Flow as AnyFlow } from '../../lib/flow/flow.js'

/** Ways to read a post: by a loop, and through what hands on its responses. */
const READERS: Record<string, (flow: AnyFlow<any, any>, source: Iterable<string>, options: object) => AsyncIterable<unknown>> = {
  'a loop': (flow, source, options) => flow.post('/', source, options),
  showProgress: (flow, source, options) => flow.post('/', source, { ...options, showProgress: true }),
  'transform()': (flow, source, options) => flow.transform('/', options)(source),
  'in order': (flow, source, options) => flow.post('/', source, { ...options, resultsInOrder: true }),
  callbacks: (flow, source, options) => flow.post('/', source, { ...options, onDone() {} }),
  'yield*': (flow, source, options) =>
    (async function* () {
      yield* flow.post('/', source, options)
    })(),
  'yield* of yield*': (flow, source, options) =>
    (async function* () {
      yield* (async function* () {
        yield* flow.post('/', source, options)
      })()
    })(),
}

/** The most documents that were read and not received, where it was not as many as there may be: by reader and `prefetch`. */
export async function strays(flow: AnyFlow<any, any>): Promise<string[]> {
  const found: string[] = []
  const { write } = process.stderr
  process.stderr.write = () => true
  try {
    for (const prefetch of [1, 2, 4, 7, 8, 16, 64, 65, 200]) {
      for (const [name, read] of Object.entries(READERS)) {
        let taken = 0
        let received = 0
        let most = 0
        const source = (function* () {
          for (let i = 0; i < 500; i++) {
            most = Math.max(most, ++taken - received)
            yield 'x'
          }
        })()
        for await (const _ of read(flow, source, { requestSize: 1, prefetch })) received++
        if (most !== prefetch || received !== 500) found.push(`${name}, prefetch ${prefetch}: ${most} (${received})`)
      }
    }
  } finally {
    process.stderr.write = write
  }
  return found
}
