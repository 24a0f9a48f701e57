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

  constructor(nodes: readonly Node[], places: readonly Place[], endpoint: string) {
    this.#nodes = nodes
    this.#places = places
    this.#endpoint = endpoint
  }

  describe(leaves: Graph['leaves']): EndpointDescription | undefined {
    const met = this.#nodes.flatMap((_, at) => (this.#works(at) ? [at] : []))
    const parameters = met.flatMap((at) => {
      const schema = this.#said(at)?.input.parameters
      return schema === undefined ? [] : [{ executor: this.#nodes[at]!.name, schema }]
    })
    const first = met.filter((at) => !this.#places[at]!.chooses && this.#isFirst(at)).map((at) => this.#said(at)?.input)
    const input = { tags: first.flatMap((said) => said?.tags ?? []), text: first.flatMap((said) => said?.text ?? []) }
    const ends = leaves.flatMap(({ from }) => this.#outOf(from))
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

  /** Whether documents come here as they came in. */
  #isFirst(at: number): boolean {
    return this.#nodes[at]!.ways.every(({ from }) => from === -1 || (!this.#works(from) && this.#isFirst(from)))
  }

  /** What is known of the documents that leave a place, by the ways they may have come. */
  #outOf(at: number): (Leaving | undefined)[] {
    if (at === -1) return [undefined]
    const come = this.#nodes[at]!.ways.flatMap(({ from }) => this.#outOf(from))
    if (!this.#works(at)) return come
    const { tags, text } = this.#said(at)?.output ?? {}
    if (tags === undefined && text === undefined) return [undefined]
    const before = new Set(come.flatMap((one) => [...(one?.before ?? []), ...(one?.tags ?? [])]))
    return [{ tags: tags === undefined ? [] : [tags], text: text === undefined ? [] : [text], before: [...before] }]
  }
}
