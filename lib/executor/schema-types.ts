import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Tags } from '../doc/document.js'
import type { Parameters } from '../request/parameters.js'
import type { Call, ExecutorFunction } from './executor.js'
import type { InputSchemas, Saying } from './schemas.js'

// What the compiler knows by the schemas of an executor. Types only: `never` stands for schemas that nobody said, `unknown` for tags that nobody did.

/** Shown as one object, whatever it was made of. */
export type Flat<T> = { [K in keyof T]: T[K] } & {}

/** Tags over each other, as a run lays them. Where nothing is replaced, side by side: what is nested may not be as deep as a Flow is long. */
export type Laid<Under, Over> = unknown extends Over
  ? Under
  : unknown extends Under
    ? Over
    : Under extends unknown
      ? Pick<Over, keyof Over & keyof Under> extends Pick<Under, keyof Over & keyof Under>
        ? Under & Over
        : MapOf<EntryOf<Under, RequiredIn<Under, Exclude<keyof Under, keyof Over>>>> &
            Partial<MapOf<EntryOf<Under, Exclude<keyof Under, keyof Over | RequiredIn<Under, keyof Under>>>>> &
            Over
      : never

/**
 * An object of entries, one tuple each. What is laid over other things again and again is made of them: it then holds nothing of what it was before, and
 * the compiler goes one step into it, not as many as a Flow is long.
 */
export type MapOf<Entry extends [PropertyKey, unknown]> = { [One in Entry as One[0]]: One[1] }
type EntryOf<T, Keys extends keyof T> = { [K in Keys]-?: [K, Required<T>[K]] }[Keys]
type RequiredIn<T, Keys extends keyof T> = { [K in Keys]-?: {} extends Pick<T, K> ? never : K }[Keys]

/** Without what stands for any other key, as loose objects have it. Nothing is known of what has no other. */
type Named<T> = unknown extends T ? unknown : OrUnknown<{ [K in keyof T as string extends K ? never : K]: T[K] }>
type OrUnknown<T> = keyof T extends never ? unknown : T
type OrEmpty<T> = unknown extends T ? {} : T

type ByEndpoint<S> = [keyof S] extends [`/${string}` | '*'] ? S : { '*': S }

/** By an endpoint, what is said of it; by `string`, what is said of any. */
export type At<Map, On> = string extends On ? Map[keyof Map] : On extends keyof Map ? Map[On] : '*' extends keyof Map ? Map['*'] : never

/** The schema of tags, text or parameters at an endpoint. */
export type SchemaAt<S, On, Of extends keyof InputSchemas> = [S] extends [never]
  ? never
  : At<ByEndpoint<S>, On> extends { readonly [of in Of]: infer Schema extends StandardSchemaV1 }
    ? Schema
    : never

/** What a schema takes. */
export type Taken<Schema> = [Schema] extends [never] ? unknown : Schema extends StandardSchemaV1 ? Named<StandardSchemaV1.InferInput<Schema>> : unknown

/** What a schema makes of it. */
export type Made<Schema> = [Schema] extends [never] ? unknown : Schema extends StandardSchemaV1 ? Named<StandardSchemaV1.InferOutput<Schema>> : unknown

/**
 * The tags that a function works on (any, where a Flow's types are parameters): those that documents come with, what the input made of them, and those of the output, which are not there yet. Where
 * the output is said, it may set no others.
 */
export type WorkedTags<Given, I, O, On = string> =
  Worked<Laid<Given, Made<SchemaAt<I, On, 'tags'>>>, Taken<SchemaAt<O, On, 'tags'>>> extends infer T extends Record<string, any> ? T : Tags

type Worked<Before, After> = unknown extends After
  ? unknown extends Before
    ? Tags
    : Before & Tags
  : Flat<{ [K in keyof OrEmpty<Before>]: OrEmpty<Before>[K] | (K extends keyof After ? After[K] : never) } & Partial<Omit<After, keyof OrEmpty<Before>>>>

/** The tags of documents that take the place of others. */
export type AnsweredTags<O> = Taken<SchemaAt<O, string, 'tags'>> extends infer T extends object ? T & Record<string, unknown> : any

/** The parameters that a function gets. */
export type WorkedParameters<I, On = string> = Made<SchemaAt<I, On, 'parameters'>> extends infer P extends object ? P : Parameters

/**
 * What a method of a class gets, by the schemas of the class.
 *
 * @typeParam Who the class
 * @typeParam On the endpoint, where schemas are said by endpoint
 *
 * @example
 * class Rank extends Executor {
 *   static input = { tags: z.object({ price: z.number() }) }
 *   rank({ docs }: CallOf<typeof Rank>) { … }
 * }
 */
export type CallOf<Who extends Saying, On extends string = string> = Call<
  WorkedTags<unknown, SaidIn<Who, 'input'>, SaidIn<Who, 'output'>, On>,
  WorkedParameters<SaidIn<Who, 'input'>, On>
>

type SaidIn<Who, Side extends keyof Saying> = Who extends { readonly [side in Side]: infer S } ? S : never

// ── each() ─────────────────────────────────────────────────────────────────────────────────────────────────

/** What the function works on: what the schemas say, else what it says itself. */
export type EachTags<T extends object, I, O> = [I | O] extends [never] ? T : WorkedTags<unknown, I, O>
export type EachParameters<P extends object, I> = [I] extends [never] ? P : WorkedParameters<I>

/** The executor that `each()` makes, which shows its schemas. */
export type EachFunction<T extends object, P extends object, I, O> = [I | O] extends [never]
  ? ExecutorFunction<T, P>
  : ExecutorFunction & { readonly input: I; readonly output: O }
