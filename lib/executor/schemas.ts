import type { StandardSchemaV1 } from '@standard-schema/spec'

/** What an executor says of the documents and parameters that it takes: a Standard Schema (of zod, valibot, arktype …) for each that it says something of. */
export interface InputSchemas {
  readonly tags?: StandardSchemaV1 | undefined
  readonly text?: StandardSchemaV1 | undefined
  readonly parameters?: StandardSchemaV1 | undefined
}

/** What an executor says of the documents that it gives. */
export interface OutputSchemas {
  readonly tags?: StandardSchemaV1 | undefined
  readonly text?: StandardSchemaV1 | undefined
}

/** For all endpoints, or by endpoint, `'*'` being all others. */
export type ByEndpoint<Schemas> = Schemas | ({ readonly [endpoint: `/${string}`]: Schemas } & { readonly '*'?: Schemas })

/** Who may say schemas: a class by its statics, a function by what `each()` wrote on it, `add()` by its options. */
export interface Saying {
  readonly input?: ByEndpoint<InputSchemas> | undefined
  readonly output?: ByEndpoint<OutputSchemas> | undefined
}

/** All that is said of one endpoint. */
export interface EndpointSchemas {
  readonly input: InputSchemas
  readonly output: OutputSchemas
}

/** What the executors of a Flow say of the requests of one endpoint: for whoever describes it. */
export interface EndpointDescription {
  /** What documents must be that come in: all of them hold. */
  readonly input: Described
  /** What executors take as parameters, by their names. */
  readonly parameters: readonly { readonly executor: string; readonly schema: StandardSchemaV1 }[]
  /** What documents are that come out: what the one or the other says. Empty where it is not known of all. */
  readonly output: readonly Leaving[]
}

/** Schemas of tags and texts, which all hold for a document. */
export interface Described {
  readonly tags: readonly StandardSchemaV1[]
  readonly text: readonly StandardSchemaV1[]
}

/** What is known of documents that come out. */
export interface Leaving extends Described {
  /** What executors before said of tags, where nobody who says nothing came behind them: such tags may still be there. */
  readonly before: readonly StandardSchemaV1[]
}

/** By endpoint, `/default` being all that are not named. */
export type Descriptions = ReadonlyMap<string, EndpointDescription>

/** Where nobody says anything. */
export const NONE: Descriptions = new Map()

/** Who can describe its endpoints. As long as nothing changes, the answer is the same object. */
export interface Describing {
  describe(): Promise<Descriptions> | undefined
}
