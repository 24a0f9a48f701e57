import { GraphQLError, GraphQLScalarType, Kind, type ValueNode, valueFromASTUntyped } from 'graphql'
import { show } from '../../../base/errors.js'
import { spelled } from '../../../doc/document.js'
import { toBase64 } from '../../../doc/json.js'
import { type NdArray, toNested, unspelled } from '../../../doc/ndarray.js'
import { STATUS } from '../status.js'
import { inspectJson } from './json.js'

/**
 * Any JSON value. Going in it is JSON in a string, as Jina's clients send it, or the value itself; coming out, the value itself.
 * So a string that is meant as a value has its own quotes: `"\"abc\""`.
 */
export const JSONScalar = new GraphQLScalarType<unknown, unknown>({
  name: 'JSONScalar',
  description: 'Any JSON value. As input: JSON in a string, or an object, list, number or boolean. As output: the value itself.',
  // Who resolves a field of it has looked that it is JSON, and says which document it is of.
  serialize: (value) => value,
  parseValue: (value) => fromJson(value),
  parseLiteral: (node, variables) => fromJson(node.kind === Kind.STRING ? node.value : plain(valueFromASTUntyped(node, variables)), node),
})

/** Bytes as base64 text (RFC 4648, padded). */
export const Base64 = new GraphQLScalarType<unknown, string>({
  name: 'Base64',
  description: 'Bytes as base64 text (RFC 4648, with padding).',
  serialize: (value) => {
    if (value instanceof Uint8Array) return toBase64(value)
    throw new GraphQLError(`Base64 cannot represent ${show(value)}`)
  },
  parseValue: (value) => {
    if (typeof value === 'string') return value
    throw invalid(`Base64 must be a string, not ${show(value)}`)
  },
  parseLiteral: (node) => {
    if (node.kind === Kind.STRING) return node.value
    throw invalid(`Base64 must be a string`, node)
  },
})

/** A tensor as lists of lists of numbers. */
export const NdArrayScalar = new GraphQLScalarType<unknown, unknown>({
  name: 'NdArray',
  description: 'A tensor: numbers in lists, or in lists of lists of one length; "NaN", "Infinity" and "-Infinity" for what JSON has no number for.',
  serialize: (value) => toNested(value as NdArray, spelled),
  parseValue: (value) => {
    if (Array.isArray(value) || typeof unspelled(value) === 'number') return value
    throw invalid(`NdArray must be a list of numbers, or of lists of numbers, not ${show(value)}`)
  },
  parseLiteral: (node, variables) => {
    if (node.kind === Kind.LIST || node.kind === Kind.INT || node.kind === Kind.FLOAT) return valueFromASTUntyped(node, variables)
    throw invalid('NdArray must be a list of numbers, or of lists of numbers', node)
  },
})

function fromJson(value: unknown, node?: ValueNode): unknown {
  let json = value
  if (typeof value === 'string') {
    try {
      json = JSON.parse(value)
    } catch {
      throw invalid(`JSONScalar must be JSON, as a string or as it is, not ${show(value)}`, node)
    }
  }
  inspectJson(json, (reason) => invalid(`JSONScalar ${reason}`, node))
  return json
}

/** Literals come with null prototypes, which surprises code that calls their methods. A key named `__proto__` stays a key, to be refused. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

function invalid(message: string, node?: ValueNode): GraphQLError {
  return new GraphQLError(message, { ...(node && { nodes: node }), extensions: { code: STATUS.invalid.code, http: { status: STATUS.invalid.status } } })
}
