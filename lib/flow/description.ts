import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { EndpointDescription, EndpointSchemas, Leaving } from '../executor/schemas.js'
import type { Graph, Node } from '../graph/graph.js'

/** What is known of an executor, where it stands in the graph. */
export interface Place {
  /** What holds at an endpoint. */
  schemas(endpoint: string): EndpointSchemas | undefined
  /** The endpoints that schemas are said of by name. */
  readonly named: readonly string[]
  /** It hands on whatever comes, as it comes. */
  readonly passes: boolean
  /** It gets some of the documents only. */
  readonly chooses: boolean
}

/**
 * What the executors of a graph say of requests, endpoint by endpoint: what documents must be where they first meet somebody who says it, what parameters
 * all of them take, and what documents are where they leave the last.
 * @param places in the order of the nodes
 * @param endpoints those that somebody answers, and the one that stands for all that are not named
 */
export function describe(
  { nodes, leaves }: Pick<Graph, 'nodes' | 'leaves'>,
  places: readonly Place[],
  endpoints: readonly string[],
): Map<string, EndpointDescription> {
  const all = new Set([...endpoints, ...places.flatMap(({ named }) => named)])
  const described = new Map<string, EndpointDescription>()
  for (const endpoint of all) {
    const description = new Look(nodes, places, endpoint).describe(leaves)
    if (description !== undefined) described.set(endpoint, description)
  }
  return described
}

/** A look at the graph as requests of one endpoint see it. */
class Look {
  readonly #nodes: readonly Node[]
  readonly #places: readonly Place[]
  readonly #endpoint: string
  // By place: the ways that lead to one may be many more than places.
  readonly #first: boolean[] = []
  readonly #out: ReadonlySet<Leaving | undefined>[] = []
  /** What leaves, once for all places where it is the same. */
  readonly #leavings = new Map<string, Leaving>()
  readonly #numbers = new Map<StandardSchemaV1, number>()

  constructor(nodes: readonly Node[], places: readonly Place[], endpoint: string) {
    this.#nodes = nodes
    this.#places = places
    this.#endpoint = endpoint
    // They stand after all they need.
    for (let at = 0; at < nodes.length; at++) {
      const ways = nodes[at]!.ways.map(({ from }) => from)
      this.#first.push(ways.every((from) => from === -1 || (!this.#works(from) && this.#first[from]!)))
      this.#out.push(this.#leaves(at, new Set(ways.flatMap((from) => this.#outOf(from)))))
    }
  }

  describe(leaves: Graph['leaves']): EndpointDescription | undefined {
    const met = this.#nodes.flatMap((_, at) => (this.#works(at) ? [at] : []))
    const parameters = met.flatMap((at) => {
      const schema = this.#said(at)?.input.parameters
      return schema === undefined ? [] : [{ executor: this.#nodes[at]!.name, schema }]
    })
    const first = met.filter((at) => !this.#places[at]!.chooses && this.#first[at]).map((at) => this.#said(at)?.input)
    const input = { tags: first.flatMap((said) => said?.tags ?? []), text: first.flatMap((said) => said?.text ?? []) }
    const ends = [...new Set(leaves.flatMap(({ from }) => this.#outOf(from)))]
    const output = ends.includes(undefined) ? [] : (ends as Leaving[])
    return parameters.length + input.tags.length + input.text.length + output.length === 0 ? undefined : { input, parameters, output }
  }

  #said(at: number): EndpointSchemas | undefined {
    return this.#places[at]!.schemas(this.#endpoint)
  }

  /** Whether it does something with these requests. */
  #works(at: number): boolean {
    return this.#nodes[at]!.peer.accepts(this.#endpoint) && !(this.#places[at]!.passes && this.#said(at) === undefined)
  }

  /** What is known of the documents that leave a place, by the ways they may have come: once of those of which the same is known. */
  #outOf(at: number): (Leaving | undefined)[] {
    return at === -1 ? [undefined] : [...this.#out[at]!]
  }

  #leaves(at: number, come: ReadonlySet<Leaving | undefined>): ReadonlySet<Leaving | undefined> {
    if (!this.#works(at)) return come
    const { tags, text } = this.#said(at)?.output ?? {}
    if (tags === undefined && text === undefined) return new Set([undefined])
    const before = new Set(Array.from(come, (one) => [...(one?.before ?? []), ...(one?.tags ?? [])]).flat())
    return new Set([this.#leaving({ tags: tags === undefined ? [] : [tags], text: text === undefined ? [] : [text], before: [...before] })])
  }

  #leaving(leaving: Leaving): Leaving {
    const { tags, text, before } = leaving
    const key = [tags, text, before].map((schemas) => schemas.map((schema) => this.#numberOf(schema)).join()).join(';')
    const same = this.#leavings.get(key)
    if (same === undefined) this.#leavings.set(key, leaving)
    return same ?? leaving
  }

  #numberOf(schema: StandardSchemaV1): number {
    const number = this.#numbers.get(schema) ?? this.#numbers.size
    this.#numbers.set(schema, number)
    return number
  }
}
