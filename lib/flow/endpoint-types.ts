import type { Tags } from '../doc/document.js'
import type { Call } from '../executor/executor.js'
import type { Parameters } from '../request/parameters.js'

// What the compiler knows of a Flow's endpoints, from what its executors say of themselves. Types only.

/** Nothing is known of what has any key. */
type Known<T> = string extends keyof T ? unknown : T

/** What a method says of its calls; as `parameters` it takes its own, and those under the executor's name. */
export interface Said<T, P> {
  tags: Known<T>
  parameters: P
}

type SaidBy<Name extends string, Method> = Method extends (call: Call<infer T, infer P>) => unknown
  ? Said<T, unknown extends Known<P> ? unknown : Partial<P> & { readonly [name in Name]?: Partial<P> }>
  : Said<unknown, unknown>

/**
 * What an executor says of each endpoint, `'*'` being all others: a class with `static requests = { … } as const`, by the types of its methods'
 * calls; a function, by that of its own. Decorators cannot say it: the compiler does not let them.
 */
export type EndpointsOf<Name extends string, Uses> = Uses extends abstract new (
  ...args: any[]
) => infer Instance
  ? Uses extends { readonly requests: infer Bound extends Readonly<Record<string, string | ((...args: any[]) => unknown)>> }
    ? {
        [Endpoint in keyof Bound as Endpoint extends '/default' ? '*' : Endpoint]: Bound[Endpoint] extends keyof Instance
          ? SaidBy<Name, Instance[Bound[Endpoint]]>
          : Bound[Endpoint] extends (...args: any[]) => unknown
            ? SaidBy<Name, Bound[Endpoint]>
            : Said<unknown, unknown>
      }
    : never
  : Uses extends (...args: any[]) => unknown
    ? { '*': SaidBy<Name, Uses> }
    : never

/** What all executors of a Flow say of one endpoint. */
type At<Endpoints, On extends string, What extends keyof Said<unknown, unknown>> = All<
  Endpoints extends unknown ? (On extends keyof Endpoints ? [Endpoints[On]] : '*' extends keyof Endpoints ? [Endpoints['*']] : never) : never,
  What
>

/** The members of a union, all at once. */
type All<Union, What extends string> = (Union extends [Record<What, infer One>] ? (one: One) => void : never) extends (all: infer Every) => void
  ? Every
  : unknown

/** The parameters of requests to an endpoint: those that executors say they take are checked, others may be there too. */
export type ParametersFor<Endpoints, On extends string> = string extends On
  ? Parameters
  : unknown extends At<Endpoints, On, 'parameters'>
    ? Parameters
    : At<Endpoints, On, 'parameters'> & Readonly<Record<string, unknown>>

/** Stands for tags that nobody named. */
export interface Inferred {
  readonly __inferred: true
}

/** The tags of responses: those that were named, else what the executors say of theirs. */
export type TagsFor<Given extends object, Endpoints, On extends string> = Given extends Inferred
  ? At<Endpoints, On, 'tags'> extends infer Found extends object
    ? Found
    : Tags
  : Given
