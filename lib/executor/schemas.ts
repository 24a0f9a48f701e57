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
