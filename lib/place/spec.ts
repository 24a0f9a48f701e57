import type { Metas } from '../executor/executor.js'
import type { AddOptions } from '../flow/options.js'
import type { Docarray } from '../wire/docarray.js'
import type { JsonSchema } from '../wire/json-schema.js'
import type { ONLY_CONTAINERS } from './options.js'

/** What is said to a container alone, beside its image. */
export type ContainerOptions = Pick<AddOptions, 'cpus' | 'readyTimeout' | (typeof ONLY_CONTAINERS)[number]>

/** What a worker is told to make: an executor of a module, or one in a container. */
export interface WorkerSpec {
  readonly name: string
  /** Which of several it is. */
  readonly shardId: number
  readonly options: Pick<AddOptions, 'uses' | 'usesWith' | 'usesMetas' | 'usesRequests' | 'workspace'>
  /** Those of the Flow with its own over them. */
  readonly env: Readonly<Record<string, string>>
  /** The Flow's. */
  readonly workspace: string | undefined
  /** How documents are written. */
  readonly model: Docarray
  /** What `add()` says of its documents, over what the class says: by side, endpoint and key. */
  readonly over: Said
  /** Given where it is in a container, which the worker begins: at a daemon. */
  readonly container?: ContainerOptions | undefined
}

/** Which schemas there are: by endpoint and key. */
type Keys = Readonly<Record<string, readonly string[]>>
export interface Said {
  readonly input: Keys
  readonly output: Keys
}

/** A schema as those know it who describe it: what it takes, and what it gives. */
export interface WrittenSchema {
  readonly input?: JsonSchema | undefined
  readonly output?: JsonSchema | undefined
}

type Written = Readonly<Record<string, WrittenSchema>>

/** What an executor elsewhere is: what its class or function says of itself, its text, and a hash of what it was told, its own file included. */
export interface CodeElsewhere {
  readonly version?: string | number | undefined
  /** Undefined where some of its code has none. */
  readonly text: string | undefined
  readonly told: string
}

/** What a worker says of the executor that it made. */
export interface WorkerDescription {
  readonly endpoints: readonly string[]
  readonly metas: Metas
  /** What its own YAML says of batches. */
  readonly dynamicBatching?: AddOptions['dynamicBatching']
  /** What it is, for who keeps its answers. */
  readonly code?: CodeElsewhere | undefined
  /** What holds at each endpoint that has schemas, `'*'` being all others. */
  readonly schemas: Readonly<Record<string, { readonly input: Written; readonly output: Written }>>
}
