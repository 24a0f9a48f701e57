import type { DocumentInit, Tags } from '../doc/document.js'
import type { Answer, Call } from '../executor/executor.js'
import type { At, Flat, Laid, Made, MapOf, SchemaAt, Taken, WorkedParameters, WorkedTags } from '../executor/schema-types.js'
import type { Join } from '../graph/graph.js'
import type { Inputs } from '../post/inputs.js'
import type { MapOptions, PostOptions } from '../post/options.js'
import type { Parameters } from '../request/parameters.js'
import type { ExecutorConfig } from './options.js'

// What the compiler knows of a Flow's endpoints and documents, from what its executors say of themselves. Types only. Endpoints are keys, '*' being all
// others; `unknown` stands for tags and parameters that nobody said.

// ── what one executor says ─────────────────────────────────────────────────────────────────────────────────

/** What an executor says of one endpoint: the tags it takes, and those that its input schema does; the tags it gives; its parameters, and its name. */
export interface Said<Takes, Checks, Gives, Asks, Name> {
  takes: Takes
  checks: Checks
  gives: Gives
  asks: Asks
  name: Name
}

/** Stands for what `uses` is not: neither a class nor a function of a type of its own. */
export interface Untyped extends ExecutorConfig {
  readonly __untyped: true
}

/** Stands for the answer of a function that is not there. */
export type Absent = { readonly __absent: true }

/** A function in `uses` that leaves its type to the Flow: what it gets there. */
export type Contextual<In, I, O, A> = {
  // A method, as what a Flow knows must not keep it from being taken for any Flow.
  uses(this: any, call: Call<WorkedTags<At<In, string>, I, O>, WorkedParameters<I>>): Answering<A>
}['uses']

/** What it may answer, and what it does. */
type Answering<A> = [A] extends [Absent] ? Answer | Promise<Answer> : A

/** Nothing is known of what has any key, or none. */
type Known<T> = string extends keyof T ? unknown : keyof T extends never ? unknown : T

type SideOf<Who, Side extends 'input' | 'output'> = Who extends { readonly [side in Side]: infer S } ? S : never

/** The schema of who comes first. */
type First<A, B, C> = [A] extends [never] ? ([B] extends [never] ? C : B) : A

/** @typeParam Who what answers: a method or a function. `Uses` is what it stands in, I and O what `add()` says over both */
type SaidAt<Name, Who, Uses, I, O, On> = SaidBy<
  Name,
  Who extends (call: Call<infer T, any>) => unknown ? Known<T> : unknown,
  Who extends (call: Call<any, infer P>) => unknown ? Known<P> : unknown,
  First<SchemaAt<I, On, 'tags'>, SchemaAt<SideOf<Who, 'input'>, On, 'tags'>, SchemaAt<SideOf<Uses, 'input'>, On, 'tags'>>,
  First<SchemaAt<O, On, 'tags'>, SchemaAt<SideOf<Who, 'output'>, On, 'tags'>, SchemaAt<SideOf<Uses, 'output'>, On, 'tags'>>,
  First<SchemaAt<I, On, 'parameters'>, SchemaAt<SideOf<Who, 'input'>, On, 'parameters'>, SchemaAt<SideOf<Uses, 'input'>, On, 'parameters'>>
>

/** Schemas come before the type of a call, in which what comes in and what goes out are one. */
type SaidBy<Name, T, P, In, Out, Asks> = Said<
  [In] extends [never] ? ([Out] extends [never] ? (unknown extends T ? unknown : Partial<T>) : unknown) : Taken<In>,
  Taken<In>,
  Laid<Made<In>, [Out] extends [never] ? T : Made<Out>>,
  [Asks] extends [never] ? (unknown extends P ? unknown : Partial<P>) : Taken<Asks>,
  Name
>

/** Endpoints that schemas name, where any may come. */
type NamedBy<Uses, I, O> = Extract<
  | ([I] extends [never] ? never : keyof I)
  | ([O] extends [never] ? never : keyof O)
  | (Uses extends { readonly input: infer S } ? keyof S : never)
  | (Uses extends { readonly output: infer S } ? keyof S : never),
  `/${string}`
>

/** What a class is bound to, `/default` being `'*'`. */
type Bound<Requests> = { [On in keyof Requests as On extends '/default' ? '*' : On]: Requests[On] }

/**
 * What an executor says of each endpoint: a class with `static requests = { … } as const`, by its schemas and the types of its methods' calls; a
 * function, by its own. Decorators cannot say it: the compiler does not let them.
 */
export type SaysOf<Name extends string, Uses, I, O> = Uses extends abstract new (
  ...args: any[]
) => infer Instance
  ? Uses extends { readonly requests: infer Requests extends Readonly<Record<string, string | ((...args: any[]) => unknown)>> }
    ? Bound<Requests> extends infer Methods
      ? { [On in keyof Methods]: SaidAt<Name, Methods[On] extends keyof Instance ? Instance[Methods[On]] : Methods[On], Uses, I, O, On> }
      : never
    : { [On in NamedBy<Uses, I, O> | '*']: SaidAt<Name, unknown, Uses, I, O, On> }
  : { [On in NamedBy<Uses, I, O> | '*']: SaidAt<Name, Uses extends Untyped ? unknown : Uses, unknown, I, O, On> }

/** The endpoints that an executor answers, `'*'` where it may be any. Who is not here, or bound in another way, may answer any; who does nothing, none. */
export type EndpointsOf<Uses, Answer, External, Rebound> = External extends true
  ? '*'
  : Uses extends Untyped
    ? [Answer] extends [never]
      ? '*'
      : [Answer] extends [Absent]
        ? never
        : '*'
    : Uses extends { readonly requests: infer Requests }
      ? Extract<keyof Bound<Requests>, string> | ([Rebound] extends [never] ? never : '*') | (string extends Requests[keyof Requests] ? '*' : never)
      : '*'

// ── what is known of a Flow ────────────────────────────────────────────────────────────────────────────────

/**
 * What is known of a Flow.
 *
 * @typeParam Endpoints what its executors answer, `'*'` being all others
 * @typeParam Out the tags of the documents that come out, by endpoint
 */
// They are inferred from it, and it has none of them: the compiler need not compare them, however many executors they are of.
// biome-ignore lint/correctness/noUnusedVariables: see above
export interface FlowTypes<Endpoints extends string, Out, D extends AnyDetails> {
  readonly __known: true
}

export interface FlowDetails<Named, Last, LastName extends string, Loose extends string, Ends, Says, Checks, J extends Join> {
  /** What executors give that have a name. */
  named: Named
  /** What the last one gives, and its name, if it has one. */
  last: Last
  lastName: LastName
  /** Others whose documents nobody needs: those that have a name, and what those give that have none. */
  loose: Loose
  ends: Ends
  /** What executors say, one member each. */
  says: Says
  /** The tags that documents have to come with, by endpoint. */
  checks: Checks
  join: J
}

type AnyDetails = FlowDetails<any, any, any, any, any, any, any, any>

/** Documents of which nothing is known. */
type Anything = { '*': unknown }

type Start<J extends Join> = FlowDetails<{}, Anything, 'gateway', never, never, never, Anything, J>

/** What `add()` was told, as far as the compiler looks at it. */
interface Step {
  name: string
  /** `'*'` is all whose documents nobody needs yet. */
  needs: string
  join: Join
  floating: boolean
  external: boolean
  uses: unknown
  answer: unknown
  rebound: unknown
  input: unknown
  output: unknown
}

/** What is known of a Flow with one executor more. Of one that is only said to be a Flow, nothing is. */
export type Added<Known, Names, S extends Step> =
  IsAny<Known> extends true
    ? any
    : [Known] extends [never]
      ? [Names] extends [never]
        ? Next<Start<'concat'>, never, S>
        : never
      : [Known] extends [string]
        ? Next<Start<'merge' extends Known ? 'merge' : 'concat'>, 'pass' extends Known ? '*' : 'warn' extends Known ? '*' : never, S>
        : Known extends FlowTypes<infer Endpoints extends string, any, infer D>
          ? Next<D, Endpoints, S>
          : never

type DetailsOf<Known, Names> = [Known] extends [never]
  ? [Names] extends [never]
    ? Start<'concat'>
    : never
  : IsAny<Known> extends true
    ? never
    : Known extends FlowTypes<any, any, infer D>
      ? D
      : Start<'concat'>

type IsAny<T> = 0 extends 1 & T ? true : false

export type StepOf<Name extends string, N extends string, J extends Join, F extends boolean, X extends boolean, R, I, O, U, A> = {
  name: Name
  needs: N
  join: J
  floating: F
  external: X
  uses: U
  answer: A
  rebound: R
  input: I
  output: O
}

/** The tags of documents that come to an executor, by endpoint. */
export type Arriving<Known, Names, N extends string, J extends Join> = [DetailsOf<Known, Names>] extends [never]
  ? Anything
  : InOf<DetailsOf<Known, Names>, N, J>

type InOf<D extends AnyDetails, N extends string, J extends Join, All extends string = N> = [N] extends [never]
  ? D['last']
  : N extends '*'
    ? Joined<Ends<D>, J>
    : Joined<WayOf<D, All>, J>

/** What each of those gives that are needed: nobody knows what those do that have no name. */
type WayOf<D extends AnyDetails, N extends string> = N extends keyof D['named'] ? D['named'][N] : Anything

/** What all give that nobody needs. */
type Ends<D extends AnyDetails> = D['named'][D['loose'] & keyof D['named']] | D['ends'] | D['last']

/** Several ways, united. */
type Joined<Ways, J extends Join> = [Ways] extends [Same<Ways>]
  ? Ways
  : { [On in KeyOf<Ways>]: J extends 'merge' ? Merged<Boxed<Ways, On>> : Boxed<Ways, On>[0] }

/** One of a union that is no union; `never` of others. */
type Same<T, Member = T> = T extends unknown ? ([Member] extends [T] ? T : never) : never
type KeyOf<T> = T extends unknown ? keyof T : never
type Boxed<Ways, On> = Ways extends unknown ? [At<Ways, On>] : never

/** By id: a document has the tags of all, and where several set one, those of either. */
type Merged<Boxes> = [KeyIn<Boxes>] extends [never] ? unknown : { [K in KeyIn<Boxes>]: TagIn<Boxes, K> }
type KeyIn<Boxes> = Boxes extends [infer T] ? (unknown extends T ? never : KeyOf<T>) : never
type TagIn<Boxes, K> = Boxes extends [infer T] ? (T extends unknown ? (K extends keyof T ? T[K] : never) : never) : never

type Says<S extends Step> = SaysOf<S['name'], S['uses'], S['input'], S['output']>

/** What says something of some endpoint. */
type Spoken<Saying, Of extends keyof AnySaid> = { [On in keyof Saying]: unknown extends (Saying[On] & AnySaid)[Of] ? never : On }[keyof Saying]
type AnySaid = Said<unknown, unknown, unknown, unknown, unknown>
type Of<Saying, On, What extends keyof AnySaid> = At<Saying, On> extends infer One ? ([One] extends [never] ? unknown : (One & AnySaid)[What]) : never

type Passed<In, Saying> = [Spoken<Saying, 'gives'>] extends [never]
  ? In
  : MapOf<{ [On in keyof In | keyof Saying]: [On, Laid<At<In, On>, Of<Saying, On, 'gives'>>] }[keyof In | keyof Saying]>

/** What documents have to come with, as nobody before gives it. */
type Unmet<Checks, In, Saying> = [Spoken<Saying, 'checks'>] extends [never]
  ? Checks
  : MapOf<
      {
        [On in keyof Checks | keyof In | keyof Saying]: [On, Both<At<Checks, On>, Without<Of<Saying, On, 'checks'>, At<In, On>>>]
      }[keyof Checks | keyof In | keyof Saying]
    >
type Without<Asked, Given> = unknown extends Asked ? unknown : unknown extends Given ? Asked : Omit<Asked, KeyOf<Given>>
type Both<One, Other> = unknown extends One ? Other : unknown extends Other ? One : One & Other

type Next<D extends AnyDetails, Endpoints extends string, S extends Step> = Following<
  D,
  Endpoints | EndpointsOf<S['uses'], S['answer'], S['external'], S['rebound']>,
  S,
  Says<S>,
  InOf<D, S['needs'], S['join']>
>

type Following<D extends AnyDetails, Endpoints extends string, S extends Step, Saying, In> = S['floating'] extends true
  ? Whole<
      Endpoints,
      FlowDetails<D['named'], D['last'], D['lastName'], D['loose'], D['ends'], D['says'] | Spoke<Saying>, Unmet<D['checks'], In, Saying>, D['join']>
    >
  : Behind<Endpoints, D, S, D['says'] | Spoke<Saying>, Unmet<D['checks'], In, Saying>, Passed<In, Saying>>

type Behind<Endpoints extends string, D extends AnyDetails, S extends Step, Says, Checks, Out> = Whole<
  Endpoints,
  FlowDetails<
    [S['name']] extends [never] ? D['named'] : D['named'] & { [name in S['name']]: Out },
    Out,
    S['name'],
    [S['needs']] extends [never] ? D['loose'] : S['needs'] extends '*' ? never : Exclude<D['loose'] | D['lastName'], S['needs'] | 'gateway'>,
    [S['needs']] extends [never]
      ? D['ends']
      : S['needs'] extends '*'
        ? never
        : // Whom a place names may be any of those that have no name.
          D['ends'] | ([D['lastName']] extends [never] ? D['last'] : never) | (Extract<S['needs'], `executor${number}`> extends never ? never : Anything),
    Says,
    Checks,
    D['join']
  >
>

type Spoke<Saying> = [Spoken<Saying, 'asks'>] extends [never] ? never : Saying

type Whole<Endpoints extends string, D extends AnyDetails> = [D['loose'] | D['ends']] extends [never]
  ? FlowTypes<Endpoints, Shown<D['last']>, D>
  : FlowTypes<Endpoints, Shown<Joined<Ends<D>, D['join']>>, D>

type Shown<Out> = { [On in keyof Out]: Out[On] extends infer T ? (T extends object ? Flat<T> : unknown) : never } & {}

// ── what does not fit ──────────────────────────────────────────────────────────────────────────────────────

/** A tag comes with another type than an executor takes. */
export interface WrongTag<Tag, Comes, Taken> {
  readonly __wrong: [Tag, Comes, Taken]
}

/**
 * Nothing, or, in place of what takes it, the tag that comes to an executor and is wrong. What is wrong is asked for, not what is right: a Flow whose types
 * are parameters has nothing that is, and must be taken. So nothing is inferred here, either.
 */
export type Fits<Known, Names, N extends string, J extends Join, Name extends string, U, I, O> =
  Fitting<Arriving<Known, Names, N, J>, SaysOf<Name, U, I, O>> extends WrongTag<any, any, any>
    ? { readonly [where in [I] extends [never] ? 'uses' : 'input']: Fitting<Arriving<Known, Names, N, J>, SaysOf<Name, U, I, O>> }
    : unknown

/** What is wrong, `'fits'` where nothing is. */
type Fitting<In, Saying> = [Spoken<Saying, 'takes'>] extends [never]
  ? 'fits'
  : [Misfit<In, Saying, keyof Saying | ('*' extends keyof Saying ? keyof In : never)>] extends [never]
    ? 'fits'
    : Misfit<In, Saying, keyof Saying | ('*' extends keyof Saying ? keyof In : never)>

type Misfit<In, Saying, On> = On extends unknown ? MisfitOf<At<In, On>, Of<Saying, On, 'takes'>> : never

type MisfitOf<Given, Asked> = unknown extends Given
  ? never
  : Given extends unknown
    ? {
        [K in keyof Given & keyof Asked]: unknown extends Given[K]
          ? never
          : Pick<Given, K> extends Pick<Asked, K>
            ? never
            : WrongTag<K, Given[K], Required<Asked>[K]>
      }[keyof Given & keyof Asked]
    : never

/** Another executor of the Flow has this name. */
export interface NameTaken<Name> {
  readonly __taken: Name
}

/** An endpoint is bound to a method that the class does not have, or not in public. */
export interface NoMethod<On, Method> {
  readonly __noMethod: [On, Method]
}

/** Stands for a configuration that must be given. */
interface Configured<Config> {
  readonly __config: Config
}

/** Nothing, or, in place of what takes it, what is wrong with a name, or a class and how it is bound and configured. As with {@link Fits}, what is wrong is asked for. */
export type Allowed<Known, Name extends string, U, R> = (Twice<Known, Name> extends NameTaken<any> ? { readonly name: NameTaken<Name> } : unknown) &
  (Misbound<U> extends NoMethod<any, any> ? { readonly uses: Misbound<U> } : unknown) &
  (Misrebound<U, R> extends NoMethod<any, any> ? { readonly usesRequests: Misrebound<U, R> } : unknown) &
  (Unconfigured<U> extends Configured<any> ? { readonly usesWith: ConfigIn<Unconfigured<U>> } : unknown)

type ConfigIn<C> = C extends Configured<infer Config> ? Config : never

/** Of nothing, of `any`, and of what is a parameter yet, nothing is wrong. In lists, as the compiler decides those also where parameters stand for all there is. */
type IsFree<T> = [T] extends [never] ? true : [0] extends [1 & T] ? true : false

/** Asked of what is known, and not of the names: the compiler compares Flows by those. */
type Twice<Known, Name> = [Name] extends [never]
  ? 'fits'
  : [string] extends [Name]
    ? 'fits'
    : [Known] extends [never]
      ? 'fits'
      : IsFree<Known> extends true
        ? 'fits'
        : [Known] extends [FlowTypes<any, any, infer D>]
          ? TakenIn<keyof D['named'], Name>
          : 'fits'

type TakenIn<Names, Name> = [string] extends [Names] ? 'fits' : [Name] extends [Names] ? NameTaken<Name> : 'fits'

/** What a class says itself, where it says it `as const`. */
type Misbound<U> =
  IsFree<U> extends true
    ? 'fits'
    : U extends { readonly requests: infer Requests; new (...args: any[]): infer Instance }
      ? OrFits<Methodless<Requests, Instance>>
      : 'fits'

type Misrebound<U, R> = [R] extends [never]
  ? 'fits'
  : IsFree<U> extends true
    ? 'fits'
    : U extends new (
          ...args: any[]
        ) => infer Instance
      ? OrFits<Methodless<R, Instance>>
      : 'fits'

type OrFits<Wrong> = [Wrong] extends [never] ? 'fits' : Wrong

type Methodless<Requests, Instance> =
  IsFree<Instance> extends true
    ? never
    : {
        [On in keyof Requests]: Requests[On] extends string
          ? string extends Requests[On]
            ? never
            : Requests[On] extends keyof Instance
              ? never
              : NoMethod<On, Requests[On]>
          : never
      }[keyof Requests]

type Unconfigured<U> =
  IsFree<U> extends true
    ? 'fits'
    : U extends new (
          ...args: any[]
        ) => { readonly config: infer Config }
      ? IsFree<Config> extends true
        ? 'fits'
        : {} extends Config
          ? 'fits'
          : Configured<Config>
      : 'fits'

// ── what may be posted, and comes back ─────────────────────────────────────────────────────────────────────

type EndpointsIn<Known> = [Known] extends [never]
  ? '*'
  : Known extends FlowTypes<infer Endpoints extends string, any, any>
    ? [Endpoints] extends [never]
      ? '*'
      : Endpoints
    : '*'

/** The endpoints that a Flow answers: all that it knows are completed, and others are errors, unless it may answer them. */
export type Endpoint<Known> =
  '*' extends EndpointsIn<Known>
    ? [EndpointsIn<Known>] extends ['*']
      ? string
      : Exclude<EndpointsIn<Known>, '*'> | (string & {})
    : EndpointsIn<Known> & string

/** An endpoint, if the Flow answers it; what is only known as a text may be one. */
export type Answered<Known, On> = string extends On ? On : On extends Endpoint<Known> ? On : Endpoint<Known>

/** Stands for tags that nobody named. */
export interface Inferred {
  readonly __inferred: true
}

/** The tags of responses: those that were named, else what the executors say of theirs. */
export type TagsFor<Given extends object, Known, On extends string> = Given extends Inferred
  ? [Known] extends [never]
    ? Tags
    : Known extends FlowTypes<any, infer Out, any>
      ? (On extends unknown ? At<Out, On> : never) extends infer Found extends object
        ? Found
        : Tags
      : Tags
  : Given

/** What all executors ask of one endpoint. */
type Asks<Saying, On extends string> = Saying extends unknown
  ? At<Saying, On> extends Said<any, any, any, infer P, infer Name>
    ? unknown extends P
      ? never
      : [P, Name]
    : never
  : never

/** The members of a union, all at once. */
type All<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer Every) => void ? Every : unknown

type AtTop<Asked> = All<Asked extends [infer P, infer Name extends string] ? P & { readonly [name in Name]?: {} extends P ? P : Partial<P> } : never>
type ByName<Asked> = All<
  Asked extends [infer P, infer Name extends string] ? ([Name] extends [never] ? P : Partial<P> & { readonly [name in Name]: P }) : never
>
type ByKey<Asked> = All<
  Asked extends [infer P, infer Name extends string]
    ? [Name] extends [never]
      ? P
      : Partial<P> & { readonly [K in keyof P as `${Name}__${K & string}`]: P[K] }
    : never
>

/**
 * The parameters of requests to an endpoint: those that executors say they take are checked, others may be there too. Those that must be there are for
 * all executors, or for each under its name, or with it (`name__top`).
 */
export type ParametersFor<Known, On extends string> = [AskedOf<Known, On>] extends [never]
  ? Parameters
  : ({} extends AtTop<AskedOf<Known, On>> ? AtTop<AskedOf<Known, On>> : AtTop<AskedOf<Known, On>> | ByName<AskedOf<Known, On>> | ByKey<AskedOf<Known, On>>) &
      Readonly<Record<string, unknown>>

type AskedOf<Known, On extends string> = [Known] extends [never]
  ? never
  : Known extends FlowTypes<any, any, infer D>
    ? string extends On
      ? never
      : Asks<D['says'], On>
    : never

/** Documents for an endpoint: the tags that input schemas take are checked where objects say them. */
export type InputsFor<Known, On extends string> = [Known] extends [never]
  ? Inputs<any>
  : Known extends FlowTypes<any, any, infer D>
    ? string extends On
      ? Inputs<any>
      : unknown extends At<D['checks'], On>
        ? Inputs<any>
        : Inputs<Partial<At<D['checks'], On>> & Record<string, unknown>>
    : Inputs<any>

/** No executor of the Flow answers the endpoint: there are others. Nothing is one, though a Flow that has it is still taken for any Flow. */
export interface Unanswered<On, Others> extends DocumentInit {
  readonly __unanswered: [On, Others]
}

/** What `post()` takes behind its endpoint: inputs, and options, which must be there where executors ask for parameters that must. */
export type Arguments<Known, On extends string, T extends object> = [Known] extends [never]
  ? [inputs?: Inputs<any>, options?: PostOptions<Parameters, T>]
  : {} extends ParametersFor<Known, On>
    ? [inputs?: InputsFor<Known, On>, options?: PostOptions<ParametersFor<Known, On>, T>]
    : [inputs: InputsFor<Known, On>, options: Asking<PostOptions<ParametersFor<Known, On>, T>>]

/** What a method takes that posts to an endpoint of its name. */
export type ArgumentsAt<Known, On extends string, T extends object> =
  On extends Endpoint<Known> ? Arguments<Known, On, T> : [endpoint: Unanswered<On, Endpoint<Known>>]

/** The options of `transform()`, which must be there where those of `post()` must. */
export type OptionsFor<Known, On extends string, T extends object> = [Known] extends [never]
  ? [options?: PostOptions<Parameters, T>]
  : {} extends ParametersFor<Known, On>
    ? [options?: PostOptions<ParametersFor<Known, On>, T>]
    : [options: Asking<PostOptions<ParametersFor<Known, On>, T>>]

/** The options of `map()`, which must be there too where no executor answers `/`. */
export type MapArguments<Known, On extends string, T extends object> = [Known] extends [never]
  ? [options?: MapOptions<On, Parameters, T>]
  : {} extends ParametersFor<Known, On>
    ? On extends Answered<Known, On>
      ? [options?: MapOptions<On, ParametersFor<Known, On>, T>]
      : [options: MapOptions<Answered<Known, On>, ParametersFor<Known, Answered<Known, On>>, T> & { on: Answered<Known, On> }]
    : [options: Asking<MapOptions<On, ParametersFor<Known, On>, T>>]

type Asking<O extends { parameters?: unknown }> = O & { parameters: NonNullable<O['parameters']> }
