import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import { missing } from '../../../base/dependency.js'
import { packageOfNode } from '../../../base/node.js'
import type { Link } from '../link.js'
import type { Subjects } from '../subjects.js'
import type { Durability } from './numbers.js'

type JetStream = typeof import('@nats-io/jetstream')

/** Milliseconds in which what is put in the queue twice is there once. */
const TWICE = 10 * 60 * 1000
/** The library counts nanoseconds. */
const NANOS = 1_000_000
/** Those who take from a queue are one. */
export const CONSUMER = 'workers'

/** @throws DependencyError (`ERR_DEPENDENCY`) without the package */
export function jetstreamPackage(): Promise<JetStream> {
  const name = '@nats-io/jetstream'
  return packageOfNode(name).catch((cause) => {
    throw missing(name, 'For a durable queue', cause)
  })
}

/** The streams of an executor, by what is in them, and the subjects of that. */
export interface Places {
  readonly work: string
  readonly results: string
  readonly dead: string
  /** Of what is too large for one message. */
  readonly parts: string
  /** Where those who take from it ask each other who has a request. It is kept nowhere. */
  readonly held: string
  readonly streams: { readonly work: string; readonly results: string; readonly dead: string; readonly parts: string }
}

export function placesOf({ call, word }: Subjects): Places {
  const base = call.slice(0, call.lastIndexOf('.'))
  return {
    work: `${base}.work`,
    results: `${base}.results`,
    dead: `${base}.dead`,
    parts: `${base}.parts`,
    held: `${base}.held`,
    streams: { work: `${word}-work`, results: `${word}-results`, dead: `${word}-dead`, parts: `${word}-parts` },
  }
}

/** A connection's streams. */
export async function streamsOf(link: Link): Promise<{ js: JetStreamClient; jsm: JetStreamManager; package: JetStream }> {
  const nats = await jetstreamPackage()
  return { js: nats.jetstream(link.connection), jsm: await nats.jetstreamManager(link.connection, { checkAPI: false }), package: nats }
}

/** Makes what there is not: the queue, the answers, the dead letters, and who takes from the queue. What is there is made as it is told here. */
export async function makeStreams(
  jsm: JetStreamManager,
  { RetentionPolicy, StorageType, DiscardPolicy, AckPolicy }: JetStream,
  places: Places,
  told: Durability,
): Promise<void> {
  const { streams, work, results, dead, parts } = places
  const file = { storage: StorageType.File, duplicate_window: TWICE * NANOS }
  const age = { max_age: told.keep * NANOS, duplicate_window: Math.min(TWICE, told.keep) * NANOS }
  await stream(jsm, { name: streams.work, subjects: [`${work}.>`], retention: RetentionPolicy.Workqueue, discard: DiscardPolicy.New, ...file })
  await stream(jsm, { name: streams.results, subjects: [`${results}.>`], retention: RetentionPolicy.Limits, ...file, ...age })
  await stream(jsm, { name: streams.dead, subjects: [`${dead}.>`], retention: RetentionPolicy.Limits, ...file, ...age })
  await stream(jsm, { name: streams.parts, subjects: [`${parts}.>`], retention: RetentionPolicy.Limits, ...file, ...age })
  const config = { ack_policy: AckPolicy.Explicit, ack_wait: told.ackWait * NANOS, max_ack_pending: told.prefetch, max_deliver: -1 }
  await jsm.consumers.add(streams.work, { durable_name: CONSUMER, ...config }).catch(async (error) => {
    // Somebody has made it, of other numbers.
    await jsm.consumers.update(streams.work, CONSUMER, config).catch(() => {
      throw error
    })
  })
}

async function stream(jsm: JetStreamManager, config: Parameters<JetStreamManager['streams']['add']>[0] & { name: string }): Promise<void> {
  try {
    await jsm.streams.add(config)
  } catch (error) {
    await jsm.streams.update(config.name, config).catch(() => {
      throw error
    })
  }
}
