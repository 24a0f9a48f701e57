import type { Client } from '../../lib/client/index.js'
import { Document, DocumentArray, type PostOptions } from '../../lib/index.js'
import type { Inputs } from '../../lib/post/inputs.js'
import type { Answer } from './way.js'

const SCORES = '{ name score { value opName description refId } }'
const FIELDS = `id parentId granularity adjacency modality text blob tensor embedding tags uri mimeType weight offset location scores ${SCORES}`
const DOCUMENT = `${FIELDS} chunks { ${FIELDS} chunks { ${FIELDS} } } matches { ${FIELDS} matches { ${FIELDS} } }`
const VARIABLES = '$data: [StrawberryDocumentInput!], $on: String!, $target: String, $parameters: JSONScalar'
const ARGUMENTS = 'data: $data, execEndpoint: $on, targetExecutor: $target, parameters: $parameters'
const MUTATION = `mutation (${VARIABLES}) { docs(${ARGUMENTS}) { ${DOCUMENT} } }`
const SUBSCRIPTION = `subscription (${VARIABLES}, $size: Int, $inOrder: Boolean) { docs(${ARGUMENTS}, requestSize: $size, resultsInOrder: $inOrder) {
  requestId docs { ${DOCUMENT} } delta { at id fresh text blob tags } partial ordinal parameters routes { executor startTime endTime } status { code description exception { name executor } } } }`

/** A post as clients of GraphQL make it: by a mutation what is one request, by a subscription what is many, or comes in parts. */
export async function* answers(client: Client, on: string, inputs?: Inputs<any>, options: PostOptions = {}): AsyncGenerator<Answer> {
  const { requestSize, resultsInOrder, continueOnError, parameters, targetExecutor, signal } = options
  const variables = { data: await data(inputs), on, target: targetExecutor, parameters: parameters && JSON.stringify(parameters) }
  if (requestSize === undefined && !continueOnError && on !== '/tokens') {
    const { data, errors, extensions } = await client.mutate(MUTATION, variables, { signal })
    if (errors !== undefined) throw failureOf(errors[0])
    return yield answerOf({ docs: data.docs, parameters: {}, routes: [] }, undefined, extensions)
  }
  const growing = new Growing()
  for await (const { data, errors, extensions } of client.subscribe(SUBSCRIPTION, { ...variables, size: requestSize, inOrder: resultsInOrder }, { signal })) {
    const answer = growing.put(data?.docs, answerOf(data?.docs ?? { docs: [], parameters: {}, routes: [] }, errors, extensions))
    if (answer.error !== undefined && !continueOnError) throw answer.error
    yield answer
  }
}

/** The documents that grow by deltas: a subscription gives them whole once. */
class Growing {
  readonly #known = new Map<string, Document<any>>()

  put(said: any, answer: Answer): Answer {
    if (!said?.delta) return answer
    const fresh = [...answer.docs]
    const grown = new Map<string, Document<any>>()
    const delta = said.delta.map(({ at, id, fresh: isFresh, text, blob, tags }: any) => {
      const key = `${said.requestId} ${at}`
      const doc: Document<any> = (isFresh ? fresh.shift() : this.#known.get(key)).clone()
      if (text !== null) doc.text += text
      if (blob !== null) doc.blob = Buffer.concat([doc.blob ?? Buffer.alloc(0), Buffer.from(blob, 'base64')])
      if (tags !== null) doc.tags = { ...doc.tags, ...tags }
      this.#known.set(key, doc)
      grown.set(key, doc)
      return { at, id, text: text ?? undefined, blob: blob === null ? undefined : Buffer.from(blob, 'base64'), tags: tags ?? undefined }
    })
    return { ...answer, delta, docs: new DocumentArray(...grown.values()) }
  }
}

/** What GraphQL calls what has other names elsewhere. */
const CODES: Readonly<Record<string, string>> = { TIMEOUT: 'ERR_TIMEOUT', SERVICE_UNAVAILABLE: 'ERR_UNREACHABLE' }

function failureOf({ message, extensions: { code: kind, reason, executor } = {} as any }: any): unknown {
  const code = executor === undefined ? kind : (reason ?? kind)
  if (Object.hasOwn(CODES, code)) return { name: 'ConnectionError', code: CODES[code], message }
  return { name: executor === undefined ? 'GraphQLError' : 'ExecutorError', code, executor, message }
}

function answerOf({ docs, parameters, routes, status, partial = false, ordinal = 0 }: any, errors?: readonly any[], extensions?: any): Answer {
  const failed = status?.code === 'ERROR' ? { name: 'ExecutorError', code: 'ERR_EXECUTOR', executor: status.exception?.executor } : undefined
  return {
    docs: new DocumentArray(...(docs ?? []).map(documentOf)),
    partial,
    ordinal,
    parameters,
    routes,
    failures: (extensions?.failures ?? []).map(failureAmong),
    error: errors === undefined ? failed : failureOf(errors[0]),
  }
}

/** One document that failed, of the extensions. */
function failureAmong({ doc, executor, attempts, status }: any): Answer['failures'][number] {
  return { doc: new Document(doc), executor, attempts, error: { name: 'ExecutorError', code: 'ERR_EXECUTOR', executor: status.exception?.executor } }
}

/** One whose value is an error has none. */
const byName = (scores: readonly any[] = []) =>
  Object.fromEntries(scores.filter(({ score }) => score.value !== null).map(({ name, score }) => [name, without(score)]))
const without = (fields: object) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && (value as any).length !== 0))

/** As any other client has it. */
function documentOf({ scores, chunks, matches, granularity, adjacency, ...fields }: any): Document<any> {
  const levels = { ...(granularity && { granularity }), ...(adjacency && { adjacency }) }
  return new Document({
    ...without(fields),
    ...levels,
    scores: byName(scores),
    chunks: (chunks ?? []).map(documentOf),
    matches: (matches ?? []).map(documentOf),
  })
}

/** All documents at once, as GraphQL has them. */
async function data(inputs: any): Promise<object[] | null> {
  if (inputs === undefined) return null
  const given = typeof inputs === 'function' ? inputs() : inputs
  const all: any[] = []
  if (typeof given === 'string' || !(Symbol.iterator in given || Symbol.asyncIterator in given)) all.push(given)
  else for await (const one of given) all.push(one)
  return all.map((one) => toInput(typeof one === 'string' ? new Document({ text: one }) : one instanceof Document ? one : new Document(one)))
}

function toInput(document: Document<any>): object {
  const { tags, scores, chunks, matches, ...fields } = document.toJSON() as any
  const items = Object.entries(scores ?? {}).map(([name, score]) => ({ name, score }))
  return {
    ...fields,
    ...(tags && { tags: JSON.stringify(tags) }),
    ...(scores && { scores: items }),
    ...(chunks && { chunks: document.chunks.map(toInput) }),
    ...(matches && { matches: document.matches.map(toInput) }),
  }
}
