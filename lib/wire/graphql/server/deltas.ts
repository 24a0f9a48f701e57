import {
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  getDirectiveValues,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import type { DocumentArray } from '../../../doc/array.js'
import type { Handler } from '../../../request/handler.js'
import type { Response } from '../../../request/response.js'
import { DeltaWriter, type MessageDelta } from '../../deltas.js'

interface Piece {
  readonly docs: DocumentArray
  readonly list: readonly (MessageDelta & { readonly id: string })[]
}

/** What partial responses bring, and which documents come whole with it, for who asks for deltas. */
const pieces = new WeakMap<Response, Piece>()

/** @returns undefined where all documents of a response come */
export function piece(response: Response): Piece | undefined {
  return pieces.get(response)
}

/** A handler whose pieces are looked at as they are made, since which documents come with one depends on those before it. */
export function withDeltas(peer: Handler): Handler {
  return {
    accepts: (endpoint) => peer.accepts(endpoint),
    handle(request) {
      const { emit } = request
      const writer = new DeltaWriter()
      request.emit =
        emit &&
        ((response) => {
          const { delta } = response
          if (delta !== undefined) {
            const { docs, list } = writer.write(delta)
            pieces.set(response, { docs, list: list.map((one, at) => ({ ...one, id: delta[at]!.id })) })
          }
          return emit(response)
        })
      return peer.handle(request)
    },
  }
}

/** Whether a subscription asks for the field `delta`. */
export function wantsDeltas({ fieldNodes, fragments, variableValues }: GraphQLResolveInfo): boolean {
  const seen = new Set<FragmentDefinitionNode>()
  const has = ({ selections }: SelectionSetNode): boolean =>
    selections.some((selection) => {
      if (getDirectiveValues(GraphQLSkipDirective, selection, variableValues)?.if === true) return false
      if (getDirectiveValues(GraphQLIncludeDirective, selection, variableValues)?.if === false) return false
      if (selection.kind === Kind.FIELD) return selection.name.value === 'delta'
      if (selection.kind === Kind.INLINE_FRAGMENT) return has(selection.selectionSet)
      const fragment = fragments[selection.name.value]
      if (fragment === undefined || seen.has(fragment)) return false
      seen.add(fragment)
      return has(fragment.selectionSet)
    })
  return fieldNodes.some(({ selectionSet }) => selectionSet !== undefined && has(selectionSet))
}
